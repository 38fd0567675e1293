"""The one order of detectors: by recall at equal realised false alarms, ties by F1, then by name.

Ranks, tables, sentences, the leaderboard and the command line all use it.  Recall at the calibrated threshold would
reward spending more false alarms than the budget; at equal false alarms only the ranking of events counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

HEADLINE: Final = "recall_at_equal_alarms"
TIES: Final = "f1"
ORDER_WORDS: Final = "by recall at equal realised false alarms, ties by F1"


def placed(values: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    """The rank of each detector, in order, from its headline and what breaks ties (higher is better); equals share it.

    >>> placed({"a": (0.2, 0.9), "b": (0.5, 0.1), "c": (0.5, 0.1)})
    {'b': 1, 'c': 1, 'a': 3}
    """
    keys = {name: tuple(-round(-1.0 if math.isnan(v) else v, 9) for v in pair) for name, pair in values.items()}
    return {
        name: 1 + sum(key < keys[name] for key in keys.values()) for name in sorted(keys, key=lambda n: (keys[n], n))
    }
