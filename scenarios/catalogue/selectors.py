"""Selectors: which resources an injected behaviour goes for, relative to the workload that does it.

`own-SLOT` names resources of the workload's project, `adjacent-SLOT` those of another project, `all-datasets` the
first part of every dataset, `drop` a bucket that another team writes to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from scopedrift.scenarios.catalogue.entry import Reference
from scopedrift.scenarios.documents import KeyPath
from scopedrift.scenarios.fields import Text, matching

NAMED: Final = ("all-datasets", "drop")
_PATTERN: Final = "|".join((*NAMED, "(own|adjacent)-[a-z0-9-]+"))

Selector = Annotated[Text, matching(_PATTERN, f"own-SLOT, adjacent-SLOT, {' or '.join(NAMED)}")]
Targets = dict[Text, Selector]
"""Slot -> selector; slots that are not listed use what the workload uses."""


def slots_of(targets: Targets, key: KeyPath = (), under: str = "targets") -> Iterator[Reference]:
    """The slots that targets mention; they are written at `key`, as `under`."""
    for slot, selector in targets.items():
        yield (*key, under, slot), slot, "slot"
        if selector not in NAMED:
            yield (*key, under, slot), selector.partition("-")[2], "slot"
