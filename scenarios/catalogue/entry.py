"""What every entry of the catalogue has, and the building blocks that entries of several kinds share.

Units: durations are integer microseconds; a `Pace` keeps the bounds of a length in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    Strict,
    ValidationInfo,
    model_validator,
)

from scopedrift.scenarios.documents import Document, shown, suggestion
from scopedrift.scenarios.durations import UNITS, parse_duration
from scopedrift.scenarios.fields import Count, Model, Share, Text

MOST_OPERATIONS: Final = 64
"""Operations that one activity may list."""
Kind = Literal["signal", "family", "look-alike", "technique", "operation", "slot"]
"""What a name in an entry may refer to."""
Known = Callable[[Kind], Collection[str]]
"""The names that there are of a kind: the context of validation while files are read."""
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Words = Annotated[Text, AfterValidator(lambda text: " ".join(text.split()))]
"""Text for people; line breaks are blanks."""


JOINT: Final = " > "
"""What stands between the operations of a chain."""


def named(kind: Kind, names: Callable[[str], Sequence[str]] = lambda text: (text,)) -> AfterValidator:
    """A check that there are things of a kind with the `names` in a text, while files are read."""

    def check(text: str, info: ValidationInfo) -> str:
        if info.context is not None:
            known: Collection[str] = info.context(kind)
            for name in names(text):
                if name not in known:
                    raise ValueError(f"unknown {kind} {shown(name)}{suggestion(name, known)}")
        return text

    return AfterValidator(check)


OperationName = Annotated[Text, named("operation")]
FamilyName = Annotated[Text, named("family")]


class Entry(Model):
    """One thing in the catalogue."""

    name: str
    description: Words = ""
    source: Words = ""
    """Where its numbers come from, or `assumed`."""

    _document: Document = PrivateAttr(default=Document({}))

    def keep(self, document: Document) -> None:
        """Remember where it is written, for what is validated later."""
        self._document = document


class ActivitySpec(Model):
    """What one stage of a task logs: a `sequence` of operations in order, or a `mix` of them with weights.

    An entry of a mix may be a chain of operations (`a > b > c`); all chains of a mix are of one length.
    """

    sequence: tuple[OperationName, ...] = ()
    mix: dict[Annotated[Text, named("operation", lambda entry: entry.split(JOINT))], Positive] = Field(default={})
    spread: Literal["even", "uniform", "front"] | None = None
    """How its events lie in its time: paced, anywhere, or mostly at its start."""
    per_task: Count = 0
    """Events per task; 0: all belong to one."""
    stay: Share = 0.0
    """How often an entry follows itself whatever the weights say."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.sequence) == bool(self.mix) or len(self.chains) > MOST_OPERATIONS:
            raise ValueError(f"expected 1 to {MOST_OPERATIONS} operations under `sequence` or `mix`")
        if len({len(chain) for chain in self.chains}) > 1:
            raise ValueError(f"expected chains of one length, {len(self.chains[0])} as in the first")
        return self

    @property
    def chains(self) -> tuple[tuple[str, ...], ...]:
        """Its entries, each a chain of operations; a single one in most cases."""
        return tuple((step,) for step in self.sequence) or tuple(tuple(entry.split(JOINT)) for entry in self.mix)

    @property
    def operations(self) -> tuple[str, ...]:
        """Every operation that it may log, once."""
        return tuple(dict.fromkeys(operation for chain in self.chains for operation in chain))

    @property
    def weights(self) -> dict[str, float]:
        """Its entries with their weights; 1 for each step of a sequence."""
        return dict.fromkeys(self.sequence, 1.0) if self.sequence else self.mix


class Distribution(Model):
    """A number, in one of four forms: a single value, one of some values, quantiles, or a log-normal."""

    value: float | None = None
    values: tuple[float, ...] = ()
    shares: tuple[Share, ...] = ()
    """How likely each of `values` is."""
    quantiles: dict[Share, Positive] = Field(default={})
    """Probability -> value."""
    median: Positive | None = None
    """Of a log-normal, with its 90th percentile or the standard deviation of its logarithm."""
    p90: Positive | None = None
    sigma: Positive | None = None
    source: Words = ""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = self.model_fields_set - {"source"}
        if forms not in ({"value"}, {"values", "shares"}, {"quantiles"}, {"median", "p90"}, {"median", "sigma"}):
            raise ValueError("expected a value, values with shares, quantiles, or a median with p90 or sigma")
        if len(self.values) != len(self.shares):
            raise ValueError(f"expected as many shares as values, {len(self.values)}")
        return self


PACES: Final = {
    "seconds": (UNITS["s"], 30 * UNITS["s"]),
    "minutes": (UNITS["m"], 15 * UNITS["m"]),
    "hours": (UNITS["h"], 8 * UNITS["h"]),
    "days": (UNITS["d"], 4 * UNITS["d"]),
    "months": (30 * UNITS["d"], 210 * UNITS["d"]),
}
"""Classes of pace: between which lengths a wait or a stage of each is drawn."""


@dataclass(frozen=True)
class Pace:
    """How long something takes at strength 0: a class of `PACES`, or within a third of a published length."""

    text: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: object) -> Self:
        """The pace that a text such as `minutes` or `95d` means; raises `ValueError` for anything else."""
        if isinstance(text, str) and text in PACES:
            return cls(text, *PACES[text])
        try:
            published = parse_duration(text)
        except ValueError:
            published = 0
        if published <= 0:
            raise ValueError(f"expected one of {', '.join(PACES)}, or a duration, not {shown(text)}")
        return cls(str(text), 0.75 * published, published / 0.75)

    @property
    def typical(self) -> float:
        """The middle of it, on a logarithmic scale."""
        return sqrt(self.low * self.high)


Paced = Annotated[Pace, PlainValidator(Pace.parse), PlainSerializer(lambda value: value.text, return_type=str)]
"""A `Pace`, as a file writes it."""
