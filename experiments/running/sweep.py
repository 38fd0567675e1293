"""`sweep`: what is not finished yet is run; then all cells are put together, in the order of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, failed_cell
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.cells import cluster
from scopedrift.experiments.running.cells.cluster import CellTask, Done
from scopedrift.experiments.running.cells.store import Cell, Store, joined, plain
from scopedrift.experiments.running.code import code_of
from scopedrift.experiments.running.selection import made

if TYPE_CHECKING:
    from scopedrift.scenarios.suite import Plan


@dataclass(frozen=True)
class Swept:
    """The result tables of a sweep (see `experiments.tables`), and how many of its cells were run just now."""

    tables: Tables
    cells: int
    ran: int


def plan_cells(plan: Plan) -> list[Cell]:
    """Every cell of a plan, the references included, in order.

    Raises `SpecError` for a detector that cannot be made.
    """
    wanted = made(plan.suite.detectors)
    code = {spec: code_of(spec, detector) for spec, detector in wanted.values()}
    return [
        Cell(variant.label, variant.scenario.digest(), seed, spec, name, code[spec])
        for variant in plan.variants
        for seed in plan.seeds
        for name, (spec, _) in wanted.items()
    ]


def sweep(
    plan: Plan,
    folder: Path,
    *,
    jobs: int = 1,
    address: str | None = None,
    progress: Progress = silent,
) -> Swept:
    """Run a plan's cells, except those that `folder` holds already, and return the tables of all.

    The tables do not depend on `jobs`, on the order in which cells end, or on how often the sweep was killed and
    started again.  A cell that fails is in the tables with its reason; one whose worker died, or whose world could not
    be simulated, is tried again the next time.
    """
    cells = plan_cells(plan)
    by_label = {variant.label: variant.scenario for variant in plan.variants}
    with Store(folder) as store:
        finished = store.finished()
        missing = [cell for cell in cells if cell.key not in finished]
        tasks = _tasks(missing, {label: scenario.to_yaml() for label, scenario in by_label.items()})
        set_aside: dict[str, str] = {}
        ended = 0

        def done(found: Done) -> None:
            nonlocal ended
            store.add(found.results)
            set_aside.update(found.reasons)
            ended += len(found.task.detectors)
            progress(ended / len(missing), f"{ended:,} of {len(missing):,} cells; last {found.task.label}")

        if tasks:
            with cluster.client(jobs, address) as connected:
                cluster.run_tasks(connected, tasks, done)
        known = store.finished()
        found = joined(
            store.get(cell.key)
            if cell.key in known
            else plain(failed_cell(cell.label, cell.seed, cell.name, set_aside.get(cell.key, "it was not run")))
            for cell in cells
        )
    return Swept(combine([found]), len(cells), len(missing))


def _tasks(cells: list[Cell], texts: dict[str, str]) -> list[CellTask]:
    """Unfinished cells, a world a task."""
    worlds: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        worlds.setdefault((cell.label, cell.seed), []).append(cell)
    return [
        CellTask(texts[label], label, seed, tuple((cell.key, (cell.name, cell.detector)) for cell in mine))
        for (label, seed), mine in worlds.items()
    ]
