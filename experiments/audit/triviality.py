"""Does a rule of a single idea solve the scenario, or find incidents without looking at behaviour?

Each rule is judged as a detector would be: threshold at the alert budget from the calibration window, incidents and
false alarms in the test window.  If one solves a scenario, its results say nothing about detectors (Wu and Keogh's
triviality); if one that looks at no behaviour beats chance, the incidents give themselves away; and if any beats the
strongest detector, the detectors are not worth comparing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.audit.one_liners import RULES
from scopedrift.experiments.audit.subject import ALPHA, Row, Subject
from scopedrift.experiments.evaluation.metrics import f1

if TYPE_CHECKING:
    import pandas as pd

COUNTED: Final = ("incidents", "detected", "false_positives")
SOLVED: Final = 0.9
"""Recall and precision at the alert budget from which a scenario counts as solved (assumed)."""


@dataclass(frozen=True)
class _Tally:
    """Incidents, those detected, and false alarms, over all worlds."""

    incidents: float
    detected: float
    false: float

    @property
    def f1(self) -> float:
        """F1 of all worlds together; 0 without any incident."""
        return f1(self.detected, self.false, self.incidents) if self.incidents else 0.0

    @property
    def solves(self) -> bool:
        """Whether recall and precision are both high."""
        enough = self.detected >= SOLVED * self.incidents and self.detected >= SOLVED * (self.detected + self.false)
        return enough and self.detected > 0


def no_one_liner_solves_it(subject: Subject) -> Row:
    """No rule of one idea solves it or beats the detectors, and none that looks at no behaviour beats chance."""
    tallies = {name: _Tally(*_summed(subject, name)) for name in RULES}
    best = max(tallies, key=lambda name: tallies[name].f1)
    blind = {name: tallies[name] for name, rule in RULES.items() if not rule.behavioural}
    best_blind = max(blind, key=lambda name: blind[name].f1)
    seen = f"best of {len(RULES)}: {_told(best, tallies[best])}"
    seen += f"; looking at no behaviour: {_told(best_blind, blind[best_blind])}"
    wrong = [f"solved by {_told(name, tally)}" for name, tally in tallies.items() if tally.solves]
    expected = f"none with recall and precision at {SOLVED:.0%} or more"
    if "cells" in subject.results:
        cells = subject.results["cells"]
        cells = cells[cells["status"] == "ok"]
        strongest, its_f1 = _strongest(cells)
        chance = _Tally(*cells[cells["detector"] == "random"][list(COUNTED)].sum())
        seen += f"; best detector: {strongest} F1 {its_f1:.3f}; {_told('random', chance)}"
        wrong += [f"{_told(n, t)} beats {strongest}" for n, t in tallies.items() if strongest and t.f1 > its_f1]
        wrong += [f"{_told(name, blind[name])} beats chance" for name in _beyond_chance(blind, chance)]
        expected += (
            "; none with a higher F1 than the best detector; none that looks at no behaviour finds more incidents than "
            "`random` would with as many alarms, at the upper end of its 95 % interval (Poisson, Bonferroni); "
            f"false alarms of this row: at most {ALPHA:.0%}"
        )
    seen = "; ".join([*wrong, seen])
    return Row("one-liners", "fail" if wrong else "pass", seen, expected)


def _told(name: str, tally: _Tally) -> str:
    return f"{name!r} {tally.detected:.0f} of {tally.incidents:.0f}, {tally.false:.0f} false alarms, F1 {tally.f1:.3f}"


def _summed(subject: Subject, name: str) -> tuple[float, float, float]:
    found = [world.outcomes[name] for world in subject.observed]
    incidents, detected, false = (float(sum(side)) for side in zip(*found, strict=True))
    return incidents, detected, false


def _strongest(cells: pd.DataFrame) -> tuple[str, float]:
    """The detector under test with the highest F1; an empty name without any."""
    sums = cells[cells["reference"] == ""].groupby("detector")[list(COUNTED)].sum()
    scores = {str(row.Index): _Tally(*row[1:]).f1 for row in sums.itertuples()}
    return max(scores.items(), key=lambda item: item[1], default=("", 0.0))


def _beyond_chance(blind: Mapping[str, _Tally], random: _Tally) -> list[str]:
    """The rules that find more than `random` would with as many alarms."""
    from scipy.stats import chi2, poisson

    alarms = max(random.detected + random.false, 1.0)
    most = float(chi2.ppf(0.975, 2.0 * (random.detected + 1.0))) / 2.0 / alarms  # of a Poisson count, exactly
    found = []
    for name, tally in blind.items():
        chance = float(poisson.sf(tally.detected - 1, most * (tally.detected + tally.false)))
        if chance < ALPHA / len(blind):
            found.append(name)
    return found
