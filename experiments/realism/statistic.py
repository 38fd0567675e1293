"""What a statistic is: a sample taken from a log, and its reduction to a value.

The sample is one or more columns of equal length (`columns` names them), so that a user's trace can supply it as
well as a log.  It is reduced to a *distribution* (positive numbers, compared by quantiles), a *number* or *shares* by
category.  `straw` is the sample of a platform without structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from scopedrift.experiments.realism.tables import LogTables
from scopedrift.simulator.log.events import Array

Sample = tuple[Array, ...]
"""Columns of equal length; texts are integer codes or object arrays."""
Form = Literal["distribution", "number", "shares"]
Value = Any
"""An array of positive numbers, a number, or a mapping of categories to shares: by the statistic's form."""

LEAST: Final = 20
"""Minimum number of values for a statistic."""


@dataclass(frozen=True)
class Statistic:
    """One statistic."""

    name: str
    """`family.what`."""
    about: str
    form: Form
    unit: str
    columns: tuple[str, ...]
    extract: Callable[[LogTables], Sample]
    reduce: Callable[[Sample], Value]
    straw: Callable[[Sample], Sample] | None = None
    """None for a distribution: its straw man is the exponential with the target's mean."""

    @property
    def family(self) -> str:
        """The family it describes."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Measured:
    """A statistic of one sample; `value` is None if there are too few values."""

    value: Value | None
    straw: Value | None
    count: int


def measure(statistic: Statistic, sample: Sample) -> Measured:
    """The statistic of a sample and of its straw man."""
    count = len(sample[0])
    if count < LEAST:
        return Measured(None, None, count)
    with np.errstate(all="ignore"):
        value = statistic.reduce(sample)
        straw = statistic.reduce(statistic.straw(sample)) if statistic.straw else None
    empty = (
        len(value) < LEAST // 2
        if statistic.form == "distribution"
        else not value
        if statistic.form == "shares"
        else not np.isfinite(value)
    )
    return Measured(None if empty else value, straw, count)


def first_column(sample: Sample) -> Array:
    """The first column as it is, without what is not a positive number."""
    values = np.asarray(sample[0], np.float64)
    return values[np.isfinite(values) & (values > 0)]


def shares(sample: Sample) -> Mapping[str, float]:
    """The share of each category in the first column."""
    categories, counts = np.unique(sample[0].astype(str), return_counts=True)
    return dict(zip(categories.tolist(), (counts / counts.sum()).tolist(), strict=True))
