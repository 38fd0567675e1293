"""How often the gate speaks of a regression where there is none, and how often it finds one that was planted.

    python benchmarks/gating.py [--gates 200] [--worlds 20] [--draws 6]

1. A/A: detectors that draw random numbers run on the worlds of the suite `quick` under several seeds of their own.
   Each gate holds one run of every world against another run of it, drawn again: only chance differs.
2. Planted: of what this repository's own baseline caught, each incident is lost with the stated chance.  The gate says
   how often it finds that, and it never passes more often than its level allows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from measuring import floor, table, verdict

from scopedrift.detectors.loading import load
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.experiments.running.baseline import Baseline, Record, measured, read_baseline
from scopedrift.experiments.running.verdicts import judge
from scopedrift.scenarios.suite import GateTerms, load_suite
from scopedrift.simulator.engine import simulate

DETECTORS = ("isolation-forest", "half-space-trees")
BASELINE = Path(__file__).parent.parent / "tests" / "gate" / "quick.yaml"
EFFECTS = (0.1, 0.15, 0.25, 0.4)


def runs(worlds: int, draws: int) -> dict[str, list[list[Record]]]:
    """By detector, world and seed of the detector: what it did."""
    scenario = load_suite("quick").variants[0].scenario
    found: dict[str, list[list[Record]]] = {name: [] for name in DETECTORS}
    for seed in range(worlds):
        world = simulate(scenario, seed)
        for name in DETECTORS:
            mine = [combine([tables(evaluate(load(name), world, seed=draw), world)]) for draw in range(draws)]
            found[name].append(
                [next(iter(measured(one, "quick", 1, [name], (seed,))[0].records.values())) for one in mine]
            )
    return found


def together(records: Sequence[Record]) -> Record:
    """The runs of all worlds as one."""
    return Record(
        incidents=sum(one.incidents for one in records),
        caught=frozenset(chain.from_iterable(one.caught for one in records)),
        false_positives=tuple(one.false_positives[0] for one in records),
        days=sum(one.days for one in records),
    )


def equals(found: dict[str, list[list[Record]]], gates: int, terms: GateTerms) -> int:
    """How many of the gates between equals speak of a regression."""
    draw = np.random.default_rng(0)
    wrong = 0
    for _ in range(gates):
        sides: list[dict[tuple[str, str], Record]] = [{}, {}]
        for name, worlds in found.items():
            pairs = [draw.choice(len(each), 2, replace=False) for each in worlds]
            for side, records in enumerate(sides):
                chosen = [each[pair[side]] for each, pair in zip(worlds, pairs, strict=True)]
                records["quickstart", name] = together(chosen)
        now, before = (Baseline("quick", 1, "", records) for records in sides)
        wrong += judge(now, before, terms, {}).word == "regress"
    return wrong


def planted(effect: float, gates: int) -> list[dict[str, str]]:
    """The share of gates that find a loss, by detector, beside what the gate says of itself."""
    draw = np.random.default_rng(1)
    before = read_baseline(BASELINE.read_text(), str(BASELINE))
    terms, rows, gaps = GateTerms(effect=effect), [], []
    for key, record in before.records.items():
        words, stated = [], []
        for _ in range(gates):
            kept = frozenset(one for one in sorted(record.caught) if draw.random() >= effect)
            now = replace(before, records={**before.records, key: replace(record, caught=kept)})
            said = next(v for v in judge(now, before, terms, {}).verdicts if (v.scenario, v.detector) == key)
            words.append(said.word)
            stated.append(said.power)
        found, power, passed = words.count("regress") / gates, float(np.mean(stated)), words.count("pass") / gates
        rows.append({
            "planted loss": f"{effect:.0%}", "detector": key[1], "caught before": str(len(record.caught)),
            "found": f"{found:.0%}", "power stated": f"{power:.0%}", "false passes": f"{passed:.1%}",
        })  # fmt: skip
        gaps.append(found - power)
        floor(f"{effect:.0%} of {key[1]}: nominal over false passes", terms.alpha / max(passed, 1e-9), 1.0)
    floor(f"{effect:.0%}: 5 points over found less stated", 0.05 / max(abs(float(np.mean(gaps))), 1e-9), 1.0)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=int, default=200)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--draws", type=int, default=6)
    options = parser.parse_args()
    terms = GateTerms()
    found = runs(options.worlds, options.draws)
    for name, worlds in found.items():
        caught = [together([each[draw] for each in worlds]) for draw in range(options.draws)]
        low, high = min(len(c.caught) for c in caught), max(len(c.caught) for c in caught)
        print(f"{name}: {low} to {high} of {caught[0].incidents} incidents caught, by the seed of its own")
    wrong = equals(found, options.gates, terms)
    print(f"A/A: {wrong} of {options.gates} gates speak of a regression (nominal: {terms.alpha * options.gates:.0f})\n")
    floor("nominal over A/A regressions", terms.alpha * options.gates / max(wrong, 1), 1.0)
    rows = [row for effect in EFFECTS for row in planted(effect, options.gates)]
    table(list(rows[0]), rows)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
