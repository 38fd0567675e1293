"""What a worker does: simulate one world, run detectors over it, send back packed tables."""

from __future__ import annotations

from collections.abc import Mapping

from scopedrift.detectors import loading
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.experiments.running.cells.store import packed
from scopedrift.experiments.running.worlds import make_world
from scopedrift.scenarios.loader import load_text


def run_cells(scenario: str, label: str, seed: int, detectors: Mapping[str, tuple[str, str]]) -> dict[str, bytes]:
    """The packed tables of each cell of one world, by key.

    `scenario` is YAML text, `detectors` maps each cell's key to the detector's name in results and its specification.
    """
    world = make_world(load_text(scenario, source=label), seed)
    results = {}
    for key, (name, spec) in detectors.items():
        found = tables(evaluate_safely(loading.load(spec), world, name=name), world)
        results[key] = packed({table: rows.assign(scenario=label) for table, rows in found.items()})
    return results
