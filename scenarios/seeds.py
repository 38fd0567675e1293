"""Seeds: how they are written, and which worlds are for what.

A detector is developed, tuned, compared and published on different worlds.  `data/seeds.yaml` holds the ranges; seeds
above them are anybody's.  Wherever several seeds are asked for they are written in one of these ways:

    5           five worlds: seeds 0 to 4
    100-119     seeds 100 to 119
    3,5,8-10    these seeds
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, RootModel, WithJsonSchema, model_validator

from scopedrift.scenarios.documents import parse, read_text, shown
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Model, Slug, Text

MOST_WORLDS: Final = 100_000
LAST: Final = 2**63 - 1
FREE: Final = "free"
"""What seeds outside all ranges are called."""
NOT_FOR_RESULTS: Final = ("development", "calibration")
"""Ranges on which detectors were written and their defaults chosen: no frozen suite may use them."""
_PART: Final = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")


def parse_seeds(value: object) -> tuple[int, ...]:
    """Seeds from a count, a text such as `100-119` or `3,5`, or a sequence of seeds.

    Raises `ValueError` for anything else.

    >>> parse_seeds("3"), parse_seeds("7-9"), parse_seeds("3,5")
    ((0, 1, 2), (7, 8, 9), (3, 5))
    """
    if isinstance(value, str):
        parts = [_PART.fullmatch(part.strip()) for part in value.split(",")]
        bounds = [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
        if len(bounds) != len(parts) or any(first > last for first, last in bounds):
            raise ValueError(f"expected seeds such as 5 (a count), 100-119 or 3,5, not {shown(value)}")
        if len(parts) == 1 and parts[0] and not parts[0][2]:
            value = bounds[0][0]
        elif sum(last - first + 1 for first, last in bounds) <= MOST_WORLDS:
            value = [seed for first, last in bounds for seed in range(first, last + 1)]
        else:
            raise ValueError(f"expected at most {MOST_WORLDS:,} worlds, not {value}")
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_WORLDS:
            raise ValueError(f"expected 1 to {MOST_WORLDS:,} worlds, not {value}")
        return tuple(range(value))
    seeds = tuple(value) if isinstance(value, Sequence) else ()
    if not seeds or any(isinstance(seed, bool) or not isinstance(seed, int) for seed in seeds):
        raise ValueError(
            f"expected a number of worlds, a range such as 100-119, or a list of seeds, not {shown(value)}"
        )
    if len(set(seeds)) != len(seeds) or not 0 <= min(seeds) <= max(seeds) <= LAST or len(seeds) > MOST_WORLDS:
        raise ValueError(f"expected different seeds from 0 to 2^63 - 1, at most {MOST_WORLDS:,} of them")
    return seeds


Seeds = Annotated[
    tuple[int, ...],
    BeforeValidator(parse_seeds),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}, {"type": "array"}]}),
]
"""Seeds in a file, however they are written."""


class SeedRange(Model):
    """Worlds that serve one purpose."""

    seeds: Seeds = Field(description="First and last seed.")
    purpose: Text = Field(description="What these worlds are for.")


class _Ranges(RootModel[dict[Slug, SeedRange]]):
    @model_validator(mode="after")
    def _disjoint(self) -> _Ranges:
        every = [seed for found in self.root.values() for seed in found.seeds]
        if len(set(every)) < len(every):
            raise ValueError("a seed is in two ranges")
        return self


@cache
def ranges() -> Mapping[str, SeedRange]:
    """What worlds are for, by the name of the range, in order."""
    document = parse(read_text(files("scopedrift.scenarios") / "data" / "seeds.yaml", "seeds.yaml"), "seeds.yaml")
    return validated(_Ranges, document.value, document).root


def range_of(seed: int) -> str:
    """The name of the range that holds a seed, or `free`."""
    return next((name for name, found in ranges().items() if found.seeds[0] <= seed <= found.seeds[-1]), FREE)


def first_of(name: str, count: int) -> tuple[int, ...]:
    """The first seeds of a range."""
    return ranges()[name].seeds[:count]


def described(seeds: Sequence[int], kind: str = "") -> str:
    """Which worlds these are and what they are for (unless `kind` says it), in words.

    >>> described(range(5)), described((3, 1000))
    ('0 to 4 (development)', '3, 1000 (development, published)')
    """
    kinds = kind or ", ".join(dict.fromkeys(map(range_of, seeds)))
    return f"{', '.join(f'{a} to {b}' if b > a else str(a) for a, b in _runs(seeds))} ({kinds})"


def written(seeds: Iterable[int]) -> str:
    """Seeds as `parse_seeds` reads them.

    >>> written([7]), written([1, 2, 3, 9])
    ('7-7', '1-3,9')
    """
    runs = _runs(seeds)
    lone = len(runs) == 1  # a single number would be a count
    return ",".join(f"{first}-{last}" if last > first or lone else f"{first}" for first, last in runs)


def _runs(seeds: Iterable[int]) -> list[tuple[int, int]]:
    """First and last seed of each run of consecutive ones."""
    runs: list[tuple[int, int]] = []
    for seed in seeds:
        first = runs.pop()[0] if runs and seed == runs[-1][1] + 1 else seed
        runs.append((first, seed))
    return runs


def fit_for_results(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """The same seeds, if no detector was developed or tuned on one of these worlds; raises `ValueError` otherwise."""
    if wrong := [seed for seed in seeds if range_of(seed) in NOT_FOR_RESULTS]:
        fit = {name: found.seeds for name, found in ranges().items() if name not in NOT_FOR_RESULTS}
        others = ", ".join(f"{name} {of[0]}-{of[-1]}" for name, of in fit.items())
        raise ValueError(
            f"seed {wrong[0]} is a {range_of(wrong[0])} world, on which detectors were written: expected seeds of"
            f" another range ({others})"
        )
    return seeds
