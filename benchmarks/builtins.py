"""What each built-in detector finds at its alert budget, of which kinds, and how far ahead of which others it is.

    python benchmarks/builtins.py [--scenario core] [--first 10] [--worlds 8] [--set KEY=VALUE]...

Worlds are seeds from --first on: the built-in detectors were developed on the worlds 0 to 2 of `core`.  Thresholds are
set on the calibration window.  Differences are paired on the same worlds, their 95 % intervals resample worlds.
Prints Markdown, and takes about a minute a world of `core`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml

from scopedrift.detectors.loading import load
from scopedrift.detectors.registry import BUILTIN, REFERENCES
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.statistics import paired_difference
from scopedrift.scenarios import Scenario, override
from scopedrift.scenarios import load as load_scenario
from scopedrift.simulator.engine import simulate

INFORMED = ("declared-policy", "task-context", "change-aware")
"""Detectors that were told what an identity, a task or a change is for; `peer-group` only knows the inventory."""
BLIND = tuple(name for name in BUILTIN if name not in {*REFERENCES, *INFORMED, "ensemble"})
LEADERS = ("ensemble", "task-context", "change-aware")


def measured(scenario: Scenario, seeds: Sequence[int], budgets: Sequence[float]) -> Iterator[dict[str, Any]]:
    """One row for each world, detector, budget and kind of incident."""
    for seed in seeds:
        world = simulate(scenario, seed)
        for name in ("random", *BLIND, *INFORMED, "ensemble"):
            found = evaluate(load(name), world, budget_per_day=max(budgets))
            assert found.matching is not None and found.windows is not None
            days = found.windows.test.days
            for budget in budgets:
                point = found.at_budgets.get(budget)
                threshold = found.threshold if budget == found.budget_per_day or point is None else point.threshold
                false = found.metrics["false_positives_per_day"] if point is None else point.false_positives_per_day
                for one in found.matching.detections:
                    yield {
                        "scenario": scenario.name, "seed": seed, "detector": name, "status": "ok", "budget": budget,
                        "kind": one.incident.template, "detected": int(one.score > threshold), "incidents": 1,
                        "false_positives": false * days, "test_days": days,
                    }  # fmt: skip


def shown(table: pd.DataFrame) -> str:
    """As Markdown."""
    head = ["", *(str(c) for c in table.columns)]
    lines = [head, ["---"] * len(head), *([str(i), *row] for i, row in zip(table.index, table.values, strict=True))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Incidents found, with the false alarms a day, at each budget."""
    table = {}
    for budget, part in rows.groupby("budget"):
        by = part.groupby("detector", sort=False)
        false = (part["false_positives"] / part["test_days"]).groupby(part["detector"]).mean()
        table[f"found at {budget:g}/day"] = by["detected"].mean().map("{:.0%}".format)
        table["false alarms a day" + " " * len(table)] = false.map("{:.1f}".format)
    return pd.DataFrame(table).loc[rows["detector"].unique()]


def by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the incidents of each kind that each detector found."""
    share = rows.pivot_table(index="kind", columns="detector", values="detected", aggfunc="mean", sort=False)
    return share[rows["detector"].unique()].sort_index().map("{:.0%}".format)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """How far the leaders are ahead of every blind detector, in points of incidents found."""
    keys = ["scenario", "seed", "detector", "status"]
    sums = {"detected": "sum", "incidents": "sum", "false_positives": "first", "test_days": "first"}
    cells = rows.groupby(keys, as_index=False).agg(sums)
    table: dict[str, Mapping[str, str]] = {}
    for leader in LEADERS:
        found = {b: paired_difference(cells, leader, b, "recall") for b in BLIND}
        table[leader] = {b: f"{d.estimate:+.2f} [{d.low:+.2f}, {d.high:+.2f}]" for b, d in found.items()}
    return pd.DataFrame(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="core")
    parser.add_argument("--first", type=int, default=10, help="first seed")
    parser.add_argument("--worlds", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], help="a key of the scenario and its value")
    options = parser.parse_args()
    given = dict(item.split("=", 1) for item in options.set)
    scenario = override(load_scenario(options.scenario), {key: yaml.safe_load(value) for key, value in given.items()})
    budgets = sorted({1.0, float(scenario.evaluation.alert_budget)})
    seeds = range(options.first, options.first + options.worlds)
    rows = pd.DataFrame(measured(scenario, seeds, budgets))
    per_world = rows[rows["detector"] == "random"].groupby(["seed", "budget"]).size()
    print(f"{scenario.name}, seeds {seeds[0]} to {seeds[-1]}, {int(np.mean(per_world))} incidents a world\n")
    print(shown(summary(rows)))
    for budget in budgets:
        part = rows[rows["budget"] == budget]
        print(f"At {budget:g} a day, by kind\n\n{shown(by_kind(part))}")
        print(f"At {budget:g} a day, ahead of the blind ones\n\n{shown(differences(part))}")


if __name__ == "__main__":
    main()
