"""Selectors: which resources an injected behaviour goes for, relative to the workload that does it.

`own-SLOT` names resources of the workload's project, `adjacent-SLOT` those of another project, `all-datasets` the
first part of every dataset, `drop` a bucket that another team writes to.
"""

from __future__ import annotations

from typing import Annotated, Final

from scopedrift.scenarios.catalogue.entry import named
from scopedrift.scenarios.fields import Text, matching

NAMED: Final = ("all-datasets", "drop")
_PATTERN: Final = "|".join((*NAMED, "(own|adjacent)-[a-z0-9-]+"))


Selector = Annotated[
    Text,
    matching(_PATTERN, f"own-SLOT, adjacent-SLOT, {' or '.join(NAMED)}"),
    named("slot", lambda text: () if text in NAMED else (text.partition("-")[2],)),
]
Targets = dict[Annotated[Text, named("slot")], Selector]
"""Slot -> selector; slots that are not listed use what the workload uses."""
