"""What every entry of the catalogue has, and the building blocks that entries of several kinds share.

Units: durations are integer microseconds; a `Pace` keeps the bounds of a length in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
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


def check(name: str, kind: Kind, info: ValidationInfo) -> None:
    """Raise `ValueError` if there is nothing of that name and kind, where files are read."""
    if info.context is not None and name not in (known := info.context(kind)):
        raise ValueError(f"unknown {kind} {shown(name)}{suggestion(name, known)}")


def named(kind: Kind) -> AfterValidator:
    """A check that a text is the name of something of that kind."""

    def checked(name: str, info: ValidationInfo) -> str:
        check(name, kind, info)
        return name

    return AfterValidator(checked)


def _known_chain(entry: str, info: ValidationInfo) -> str:
    for operation in entry.split(JOINT):
        check(operation, "operation", info)
    return entry


JOINT: Final = " > "
"""What stands between the operations of a chain."""
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
    mix: dict[Annotated[Text, AfterValidator(_known_chain)], Positive] = Field(default={})
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
    """Positive numbers: quantiles (probability -> value), or a log-normal by median and `p90` or `sigma`."""

    quantiles: dict[Share, Positive] = Field(default={})
    median: Positive | None = None
    p90: Positive | None = None
    sigma: Positive | None = None
    source: Words = ""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        spread = (self.p90 is None) != (self.sigma is None)
        if bool(self.quantiles) == (self.median is not None) or (self.median is not None) != spread:
            raise ValueError("expected quantiles, or a median with p90 or sigma")
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
