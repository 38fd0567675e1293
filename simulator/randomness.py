"""Keyed randomness: every draw belongs to a stable name, never to a place in a shared sequence.

Four kinds of draw, all keyed by the scenario's seed:

- `key(...)`: a 64-bit key for a name (a workload, an incident, a telemetry fault);
- `evenly(...)`: a uniform number for one trait of one of a family's members, stratified over the members;
- `Draws`: rows of uniforms for a SimPy process, one row a task, so that the draws of task *j* do not depend on when
  it ran;
- `mix` and `hash64`: a counter-based hash over NumPy arrays, so that the value of event *i* of stage *s* of
  task *j* is a function of those numbers alone, however the log is cut into windows.

The hash is the SplitMix64 finaliser (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Final, Generic, TypeVar, get_args, get_type_hints

import numpy as np

from scopedrift.scenarios.catalogue import Distribution
from scopedrift.simulator.log.events import Array

_GOLDEN: Final = 0x9E3779B97F4A7C15
_A: Final = 0xBF58476D1CE4E5B9
_B: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1
TABLE: Final = 1024
"""Length of a tabulated quantile function."""


def key(seed: int, *names: object) -> int:
    """A 64-bit key for a stable name under a seed."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(left: int, right: int) -> int:
    """One 64-bit hash of two integers."""
    x = (left + (right + 1) * _GOLDEN) & _MASK
    x = ((x ^ (x >> 30)) * _A) & _MASK
    x = ((x ^ (x >> 27)) * _B) & _MASK
    return x ^ (x >> 31)


def evenly(seed: int, number: int, *names: object) -> float:
    """What member `number` of a family draws for one of its traits, in [0, 1): evenly over the members.

    A scrambled van der Corput sequence: any 2^k members that are numbered one after the other, from a multiple of 2^k
    on, fall into the 2^k equal parts of the range one by one, so that few members already represent a
    distribution.  A member's draw does not depend on how many there are; which of two neighbours has the upper half
    is decided anew for every trait (Owen's scrambling of the order), so that traits are independent of each other.
    """
    scrambled = key(seed, "evenly", *names)
    place = scrambled
    for digit in range(number.bit_length()):
        above = number >> (digit + 1)
        swapped = mix(scrambled, above << 6 | digit) if above else 0
        place ^= ((number >> digit ^ swapped) & 1) << (63 - digit)
    return float((place >> 11) / 2.0**53)


def hash64(left: Array, right: Array | int) -> Array:
    """`mix`, element by element (uint64 in, uint64 out)."""
    with np.errstate(over="ignore"):
        x = (np.asarray(right).astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
        x = x + left
        shifted = np.empty_like(x)
        for shift, factor in ((30, _A), (27, _B)):
            np.right_shift(x, np.uint64(shift), out=shifted)
            x ^= shifted
            x *= np.uint64(factor)
        x ^= x >> np.uint64(31)
    return x


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for a stable name."""
    return np.random.Generator(np.random.Philox(key=key(seed, *names)))


Row = TypeVar("Row", bound=tuple[object, ...])


class Draws(Generic[Row]):
    """Rows of uniform numbers in [0, 1) for one process: row *j* is the same whenever it is taken.

    A row is a named tuple, so that each draw has a name.  A field is a `float`, or a named tuple (or a tuple type) of
    several:

    >>> from typing import NamedTuple
    >>> class Visit(NamedTuple):
    ...     gap: float
    ...     length: float
    >>> draws = Draws(7, "visits", of=Visit)
    >>> first = draws.row()
    >>> first == Draws(7, "visits", of=Visit).row() and 0.0 <= first.gap < 1.0
    True

    `block` rows are held in advance, as an array: there is one for each of tens of thousands of workloads.
    """

    __slots__ = ("_at", "_generator", "_groups", "_make", "_rows")

    def __init__(self, seed: int, *names: object, of: type[Row], block: int = 8) -> None:
        width, self._groups = _layout(of)
        self._make: Callable[[list[object]], Row] = of._make  # type: ignore[attr-defined]  # it is a named tuple
        self._generator = generator(seed, *names)
        self._rows = np.empty((block, width))
        self._at = block

    def row(self) -> Row:
        """The next row."""
        if self._at == len(self._rows):
            self._generator.random(out=self._rows)
            self._at = 0
        self._at += 1
        values: list[object] = self._rows[self._at - 1].tolist()
        for at, size, make in self._groups:
            values[at : at + size] = (make(values[at : at + size]),)
        return self._make(values)


_Group = tuple[int, int, Callable[[list[object]], tuple[object, ...]]]
"""Which field of a row it is, how many draws it has, and what makes it of them."""


@cache
def _layout(of: type[tuple[object, ...]]) -> tuple[int, tuple[_Group, ...]]:
    """How many draws a row of a type has, and its groups."""
    width, groups = 0, []
    for at, kind in enumerate(get_type_hints(of).values()):
        size = 1 if kind is float else len(getattr(kind, "_fields", get_args(kind)))
        if kind is not float:
            groups.append((at, size, getattr(kind, "_make", tuple)))
        width += size
    return width, tuple(groups)


_POINTS: Final = (np.arange(TABLE) + 0.5) / TABLE
"""The probabilities of a table."""


@lru_cache(maxsize=1_000)
def _log_normal(median: float, sigma: float) -> tuple[float, ...]:
    """The table of a log-normal; every world needs the same few dozen, which would take a tenth of its time."""
    normal = NormalDist()
    return tuple(float(median * np.exp(sigma * normal.inv_cdf(p))) for p in _POINTS)


class Quantiles:
    """A distribution of positive numbers by its tabulated quantile function: `q(u)` for u in [0, 1).

    Given by anchors (probability -> value, interpolated on the log scale, the ends held) or as a log-normal.
    A table, so that a draw is a look-up and the same on every machine.
    """

    __slots__ = ("table",)

    def __init__(self, table: Sequence[float]) -> None:
        self.table = list(table)

    @classmethod
    def of(cls, spec: Distribution) -> Quantiles:
        """The table of a distribution of the catalogue, except of one over a few values."""
        if spec.value is not None:
            return cls([spec.value] * TABLE)
        if spec.median is None:
            anchors = sorted(spec.quantiles.items())
            logs = np.log([v for _, v in anchors])
            return cls(np.exp(np.interp(_POINTS, [p for p, _ in anchors], logs)).tolist())
        sigma = spec.sigma
        if sigma is None:
            assert spec.p90 is not None
            sigma = float(np.log(spec.p90 / spec.median)) / NormalDist().inv_cdf(0.9)
        return cls(_log_normal(spec.median, sigma))

    def __call__(self, u: float) -> float:
        """The value at probability `u`, in [0, 1)."""
        return self.table[int(u * TABLE)]

    def mean(self) -> float:
        """The mean of the tabulated distribution."""
        return sum(self.table) / TABLE
