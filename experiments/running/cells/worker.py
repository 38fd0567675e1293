"""What a worker does: simulate one world, run detectors over it, send back packed tables."""

from __future__ import annotations

from collections.abc import Mapping

from scopedrift.detectors.isolation.placement import place
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.tables import cell_tables
from scopedrift.experiments.running.cells.store import packed
from scopedrift.experiments.running.worlds import make_world
from scopedrift.scenarios.loader import load_text


def run_cells(
    scenario: str, label: str, seed: int, detectors: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The packed tables of each cell of one world, by key; and why cells have none that may be kept.

    `scenario` is YAML text, `detectors` maps each cell's key to the detector's name in results and its specification.
    A world that a detector changed is thrown away with that cell, and made again for the others.
    """
    terms = load_text(scenario, source=label)
    world = make_world(terms, seed)
    results, reasons = {}, {}
    for key, (name, spec) in detectors.items():
        evaluation = evaluate_safely(place(spec), world, name=name)
        found, spoiled = cell_tables(evaluation, world)
        if spoiled:
            reasons[key] = evaluation.reason
            world = make_world(terms, seed)
        else:
            results[key] = packed({table: rows.assign(scenario=label) for table, rows in found.items()})
    return results, reasons
