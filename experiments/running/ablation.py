"""What each piece of knowledge, and each stream of telemetry, is worth to each detector.

The same detectors run again on the same worlds without one piece: without policy, inventory, change calendar or task
context (each detector that asks for it), and without one stream (each detector; the world is the same, its records of
that stream never arrive).  The threshold is set again each time, to the same alert budget, as a team without that
piece would.  An incident that nothing is left of counts as missed, so that taking evidence away never flatters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scopedrift.detectors.base import Detector
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.statistics import paired_difference
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.worlds import make_world
from scopedrift.reports.columns import TABLES
from scopedrift.scenarios.loader import override
from scopedrift.simulator.log.events import STREAMS

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.experiments.evaluation.windows import LabelledWorld
    from scopedrift.scenarios.schema import Scenario


def ablation(
    scenario: Scenario,
    detectors: Mapping[str, Detector],
    seeds: Sequence[int],
    cells: pd.DataFrame,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `ablation`: `kind` is knowledge or stream, `difference` recall without the piece less recall with it.

    Its 95 % interval is over worlds.  `cells` holds the results with everything, of the same detectors and seeds.
    """
    import pandas as pd

    pieces: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for at, seed in enumerate(seeds):
        for (kind, removed), found in _cells(scenario, detectors, seed):
            progress((at + len(pieces) / 9) / len(seeds), f"world {seed} without {removed}")
            pieces.setdefault((kind, removed), []).extend(found)
    rows = []
    for (kind, removed), found in pieces.items():
        without = pd.concat(found, ignore_index=True)
        for detector in without["detector"].unique().tolist():
            mine = cells[cells["detector"] == detector]
            theirs = without[without["detector"] == detector].set_index("seed")
            theirs["incidents"] = mine.set_index("seed")["incidents"]
            theirs["recall"] = theirs["detected"] / theirs["incidents"]
            rows.append(_row(str(detector), kind, removed, mine, theirs.reset_index()))
    return pd.DataFrame(rows).reindex(columns=list(TABLES["ablation"])).assign(scenario=scenario.name)


def _cells(
    scenario: Scenario, detectors: Mapping[str, Detector], seed: int
) -> Iterator[tuple[tuple[str, str], list[pd.DataFrame]]]:
    """One world: the cells of the detectors concerned, piece by piece."""
    world = make_world(scenario, seed)
    needs = sorted({need for detector in detectors.values() for need in detector.needs})
    for need in needs:
        concerned = {name: d for name, d in detectors.items() if need in d.needs}
        yield ("knowledge", need), [_cell(name, d, world, need) for name, d in concerned.items()]
    for stream in STREAMS:
        if scenario.telemetry[stream].enabled:
            blind = make_world(override(scenario, {f"telemetry.{stream}.enabled": False}), seed)
            yield ("stream", stream), [_cell(name, d, blind) for name, d in detectors.items()]


def _cell(name: str, detector: Detector, world: LabelledWorld, *withhold: str) -> pd.DataFrame:
    return tables(evaluate_safely(detector, world, name=name, withhold=withhold), world)["cells"]


def _row(detector: str, kind: str, removed: str, given: pd.DataFrame, without: pd.DataFrame) -> dict[str, object]:
    import pandas as pd

    label = f"{detector} without"
    both = pd.concat([given, without.assign(detector=label)], ignore_index=True)
    found = paired_difference(both, label, detector, "recall")
    sums = {name: side[["detected", "incidents", "false_positives", "test_days"]].sum() for name, side in
            (("", given), ("_without", without))}  # fmt: skip
    return {
        "detector": detector,
        "kind": kind,
        "removed": removed,
        **{f"recall{end}": side["detected"] / side["incidents"] for end, side in sums.items()},
        **{f"false_positives_per_day{end}": side["false_positives"] / side["test_days"] for end, side in sums.items()},
        "difference": found.estimate,
        "low": found.low,
        "high": found.high,
        "worlds": found.worlds,
        "sample": found.sample,
    }
