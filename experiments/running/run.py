"""`run`: detectors on one scenario and several seeds; every world is simulated once and shared by the detectors.

A detector that fails costs its cell only: the cell is marked with the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.base import Detector
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, tables
from scopedrift.experiments.evaluation.windows import World
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.worlds import make_world

if TYPE_CHECKING:
    from scopedrift.scenarios import Scenario

SIMULATION_SHARE: Final = 0.5
"""Of a world's work, for the progress bar (assumed)."""


def run(
    scenario: Scenario, detectors: Mapping[str, Detector], seeds: Sequence[int], progress: Progress = silent
) -> Tables:
    """All result tables (`tables.COLUMNS` and `summary`) of detectors on the worlds of these seeds.

    `detectors` holds them by the names that results show; `selection.resolve` makes them from texts and adds the
    references.  Raises `SpecError` if the scenario's adaptive adversary names no detector.
    """

    def cells() -> Iterator[Tables]:
        share = 1 / len(seeds)
        for at, seed in enumerate(seeds):
            begin, middle = at * share, (at + SIMULATION_SHARE) * share
            world = make_world(scenario, seed, part_of(progress, begin, middle - begin))
            yield from _cells(world, detectors, part_of(progress, middle, begin + share - middle))

    return combine(cells())


def run_on_world(world: World, detectors: Mapping[str, Detector], progress: Progress = silent) -> Tables:
    """All result tables of detectors on one world, such as a real log with incidents in it."""
    return combine(_cells(world, detectors, progress))


def _cells(world: World, detectors: Mapping[str, Detector], progress: Progress) -> Iterator[Tables]:
    for at, (name, detector) in enumerate(detectors.items()):
        progress(at / len(detectors), f"{name} on world {world.seed}")
        yield tables(evaluate_safely(detector, world, name=name), world)
