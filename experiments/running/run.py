"""`run`: detectors on one scenario and several seeds; every world is simulated once and shared by the detectors.

A detector that fails costs its cell only: the cell is marked with the reason, and the rest goes on.  A world that one
changed, which only code that is trusted to run in this process can do, is made again for the others.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import handed_over, run_as
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, cell_tables
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.workers.pool import Workers, WorldTask, lacking, tables_of
from scopedrift.experiments.running.worlds import make_world

if TYPE_CHECKING:
    from scopedrift.scenarios import Scenario

SIMULATION_SHARE: Final = 0.5
"""Of a world's work, for the progress bar (assumed)."""
ALONE: Final = Workers(jobs=1, memory=0)
"""In this process."""


def run(
    scenario: Scenario,
    detectors: Mapping[str, Detector],
    seeds: Sequence[int],
    progress: Progress = silent,
    workers: Workers = ALONE,
) -> Tables:
    """All result tables (`tables.COLUMNS` and `summary`) of detectors on the worlds of these seeds.

    `detectors` holds them by the names that results show; `selection.resolve` makes them from texts and adds the
    references.  With several workers (`workers`), worlds and detectors run side by side, with the same results.  Raises
    `SpecError` if the scenario's adaptive adversary names no detector.
    """
    if _side_by_side(detectors, workers):
        worlds = [WorldTask(scenario.name, seed, partial(make_world, scenario, seed)) for seed in seeds]
        return combine(tables_of(worlds, detectors, workers, progress))

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


def run_on_world(
    world: LabelledWorld, detectors: Mapping[str, Detector], progress: Progress = silent, workers: Workers = ALONE
) -> Tables:
    """All result tables of detectors on one world, such as a real log with incidents in it."""
    return run_on_worlds([world], detectors, progress, workers)


def run_on_worlds(
    worlds: Sequence[LabelledWorld],
    detectors: Mapping[str, Detector],
    progress: Progress = silent,
    workers: Workers = ALONE,
) -> Tables:
    """All result tables of detectors on worlds that are there already."""
    if _side_by_side(detectors, workers):
        tasks = [WorldTask(world.scenario.name, world.seed, partial(_given, world)) for world in worlds]
        return combine(tables_of(tasks, detectors, workers, progress))
    exposed = any(run_as(detector) == "in process" for detector in detectors.values())

    def cells() -> Iterator[Tables]:
        for at, world in enumerate(worlds):
            shown = part_of(progress, at / len(worlds), 1 / len(worlds))
            yield from _cells(
                lambda world=world: copy.deepcopy(world) if exposed else world,  # type: ignore[misc]
                detectors,
                shown,
            )

    return combine(cells())


def _side_by_side(detectors: Mapping[str, Detector], workers: Workers) -> bool:
    """Whether several workers are wanted and possible; says why they are not."""
    if workers.jobs < 2:
        return False
    why = lacking()
    try:
        for detector in detectors.values() if not why else ():
            handed_over(detector)
    except SpecError as error:
        why = str(error)
    if why:
        warnings.warn(f"one worker only: {why}", stacklevel=3)
    return not why


def _given(world: LabelledWorld, progress: Progress) -> LabelledWorld:
    return world


def _cells(
    make: Callable[[], LabelledWorld], detectors: Mapping[str, Detector], progress: Progress
) -> Iterator[Tables]:
    world = make()
    for at, (name, detector) in enumerate(detectors.items()):
        progress(at / len(detectors), f"{name} on world {world.seed}")
        found, spoiled = cell_tables(evaluate_safely(detector, world, name=name), world)
        world = make() if spoiled else world
        yield found
