"""`run`: detectors on one scenario and several seeds; every world is simulated once and shared by the detectors.

A detector that fails costs its cell only: the cell is marked with the reason, and the rest goes on.  A world that one
changed, which only code that is trusted to run in this process can do, is made again for the others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import run_as
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, cell_tables
from scopedrift.experiments.evaluation.windows import LabelledWorld
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
            shown = part_of(progress, begin, middle - begin)
            yield from _cells(
                lambda seed=seed, shown=shown: make_world(scenario, seed, shown),  # type: ignore[misc]
                detectors,
                part_of(progress, middle, begin + share - middle),
            )

    return combine(cells())


def run_on_world(world: LabelledWorld, detectors: Mapping[str, Detector], progress: Progress = silent) -> Tables:
    """All result tables of detectors on one world, such as a real log with incidents in it."""
    exposed = any(run_as(detector) == "in process" for detector in detectors.values())
    return combine(_cells(lambda: copy.deepcopy(world) if exposed else world, detectors, progress))


def _cells(
    make: Callable[[], LabelledWorld], detectors: Mapping[str, Detector], progress: Progress
) -> Iterator[Tables]:
    world = make()
    for at, (name, detector) in enumerate(detectors.items()):
        progress(at / len(detectors), f"{name} on world {world.seed}")
        found, spoiled = cell_tables(evaluate_safely(detector, world, name=name), world)
        world = make() if spoiled else world
        yield found
