"""The detector contract: `fit` on the baseline window, then `score` batch after batch.

A detector is a dataclass whose fields are its parameters.  A score is any float, higher is more suspicious;
`NaN` abstains ("I cannot judge this event").  Scores are *causal*: they depend on no later event, and not on
how the stream was cut into batches.  State that `score` learns is the detector's own business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.events import EventBatch

_Value = TypeVar("_Value")
Scores = Sequence[float] | npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SearchRange:
    """Where a tuner may search for a parameter's value (bounds included)."""

    low: float
    high: float
    log: bool = False


def param(
    default: _Value, low: float | None = None, high: float | None = None, *, log: bool = False, doc: str = ""
) -> _Value:
    """A dataclass field for a detector's parameter, with the range that a tuner may search."""
    span = None if low is None or high is None else SearchRange(low, high, log)
    declared: _Value = field(default=default, metadata={"range": span, "doc": doc})
    return declared


@dataclass(frozen=True)
class Part:
    """One rule of a rule-based detector."""

    name: str
    level: str = ""
    matched: Sequence[int] = ()
    """Positions of the events that it matched, ascending, counted from the first event that was scored."""
    blind: str = ""
    """Why it could never match this stream; empty if it could."""
    key: str = ""
    """A key that distinguishes rules with the same name, such as the id or the file."""


class Detector:
    """Base class of every detector; subclasses are dataclasses (`@dataclass`) when they have parameters.

    `fit` is called once, with the baseline window; then `score` is called with one batch after the other, in order
    of arrival.  A score must not depend on later events, nor on how the stream was cut into batches.

    Attributes:
        name: Its name in results; by default the class name.
        needs: The kinds of knowledge that it uses (`knowledge.KINDS`); results list them.

    Examples:
        >>> import scopedrift as sd
        >>> class NewOperation(sd.Detector):
        ...     def fit(self, history, knowledge):
        ...         self.seen = set(history.pairs("identity", "operation"))
        ...
        ...     def score(self, batch):
        ...         return [float(pair not in self.seen) for pair in batch.pairs("identity", "operation")]
        >>> NewOperation().parameters()
        {}
    """

    name: ClassVar[str] = ""
    needs: frozenset[str] = frozenset()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):  # results of a subclass never stand under the name of its parent
            cls.name = ""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learn from the baseline window.

        Args:
            history: All events of the window, in order of arrival.
            knowledge: The deployment's knowledge beside the log, limited to `needs`.
        """

    def score(self, batch: EventBatch) -> Scores:
        """Say how suspicious each event is.

        Args:
            batch: The next events, in order of arrival.

        Returns:
            Shape `(len(batch),)`; any scale, higher is more suspicious, `NaN` abstains.
        """
        raise NotImplementedError

    def explain(self, batch: EventBatch, row: int) -> str:
        """One sentence for the person on call: why event `row` of `batch` was scored as it was.

        Called right after `score(batch)`, for events that raised an alert.
        """
        return ""

    def parts(self) -> Sequence[Part]:
        """For rule-based detectors: the rules with their matches since `fit`; called at the end."""
        return ()

    def parameters(self) -> dict[str, object]:
        """The parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init} if is_dataclass(self) else {}
