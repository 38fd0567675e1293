"""What every evaluation on a world needs, whatever the detector: worked out once for each log, while that is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from scopedrift.experiments.evaluation.alerts import Sorted
from scopedrift.simulator.log.events import MISSING

if TYPE_CHECKING:
    from scopedrift.experiments.evaluation.windows import Window
    from scopedrift.simulator.log.event_log import EventLog

_Found = TypeVar("_Found")
_known: WeakKeyDictionary[EventLog, dict[tuple[object, ...], Any]] = WeakKeyDictionary()


def once(log: EventLog, key: tuple[object, ...], find: Callable[[], _Found]) -> _Found:
    """What `find` returns, which is called only the first time that it is asked for."""
    known = _known.setdefault(log, {})
    if key not in known:
        known[key] = find()
    found: _Found = known[key]
    return found


def in_order(log: EventLog, window: Window, cooldown_us: int) -> Sorted:
    """The events of a window, sorted by identity and arrival."""

    def find() -> Sorted:
        columns = log.batch(window.start, window.stop).columns
        identity = columns.get("identity", np.full(len(window), MISSING, np.int32))
        return Sorted.of(log.arrived[window.start : window.stop], identity, cooldown_us)

    return once(log, ("in order", window, cooldown_us), find)
