"""The verdict of a gate: has a detector become worse than the stored baseline, by more than luck?

Both ran on the same worlds, so they are compared world by world (`evaluation.noninferiority`).  Over several scenarios,
what happened under one seed is one world: their backgrounds are the same.  There are four verdicts:

- `regress`: a loss that is significant after Holm's correction over everything that is tested, *and* at least `least`;
  the same for false alarms; or recall below a floor; or a missing result.
- `pass`: the interval of the loss excludes the loss that matters (`effect`), and that of false alarms the growth that
  matters (`alarms_effect`).  The mere absence of significance is no pass.
- `underpowered`: neither, and the worlds could not have found the loss that matters with the chance `power`.
- `inconclusive`: neither, although they could have; or the results cannot be compared at all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import reduce
from itertools import zip_longest
from operator import add
from typing import Final, Literal

from scopedrift.experiments.evaluation.noninferiority import Loss, loss_interval, power, turned_sum_p
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.experiments.running.baseline import Baseline, Key, Record, world_of
from scopedrift.scenarios.suite import GateTerms

OVERALL: Final = "all scenarios"

Word = Literal["pass", "regress", "inconclusive", "underpowered"]
EXIT_CODES: Final[Mapping[Word, int]] = {"pass": 0, "regress": 1, "inconclusive": 3, "underpowered": 3}
UNKNOWN: Final = Loss(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one detector in one scenario, or over all."""

    scenario: str
    detector: str
    word: Word
    reason: str
    caught: int = 0
    caught_before: int = 0
    incidents: int = 0
    lost: int = 0
    gained: int = 0
    false_positives: int = 0
    false_positives_before: int = 0
    loss: Loss = UNKNOWN
    """Incidents lost less those gained, as a share of those caught before, with its 90 % interval (at alpha 0.05)."""
    growth: Loss = UNKNOWN
    """False alarms added, as a share of those before, with its interval."""
    p_recall: float = 1.0
    """Adjusted over everything that the gate tests."""
    p_false_positives: float = 1.0
    power: float = 0.0
    """The chance of finding the loss that matters, given how much worlds were seen to vary."""


@dataclass(frozen=True)
class _Pair:
    """Now and before, by world."""

    incidents: int
    caught_before: tuple[int, ...]
    lost: tuple[int, ...]
    gained: tuple[int, ...]
    false_now: tuple[int, ...]
    false_before: tuple[int, ...]

    @classmethod
    def of(cls, now: Record, before: Record, seeds: tuple[int, ...]) -> _Pair:
        worlds = seeds or range(len(before.false_positives))

        def by_world(caught: frozenset[str]) -> tuple[int, ...]:
            count = Counter(world_of(name) for name in caught)
            return tuple(count[world] for world in worlds)

        lost, gained = by_world(before.caught - now.caught), by_world(now.caught - before.caught)
        alarms = now.false_positives, before.false_positives
        return cls(now.incidents, by_world(before.caught), lost, gained, *alarms)

    def __add__(self, other: _Pair) -> _Pair:
        """Both, seed by seed."""
        own, others = astuple(self), astuple(other)
        sums = (tuple(map(sum, zip_longest(a, b, fillvalue=0))) for a, b in zip(own[1:], others[1:], strict=True))
        return _Pair(self.incidents + other.incidents, *sums)

    def tested(self, scenario: str, detector: str, terms: GateTerms, alpha: float) -> Verdict:
        """The numbers, and the p-values before correction; `alpha` is what the least favourable test must reach."""
        before, lost, gained = sum(self.caught_before), sum(self.lost), sum(self.gained)
        worse = [a - b for a, b in zip(self.lost, self.gained, strict=True)]
        added = [a - b for a, b in zip(self.false_now, self.false_before, strict=True)]
        return Verdict(
            scenario, detector, "pass", "",
            caught=before - lost + gained, caught_before=before, incidents=self.incidents, lost=lost, gained=gained,
            false_positives=sum(self.false_now), false_positives_before=sum(self.false_before),
            loss=loss_interval(worse, self.caught_before, "share", terms.alpha),
            growth=loss_interval(added, self.false_before, "rate", terms.alpha),
            p_recall=turned_sum_p(worse), p_false_positives=turned_sum_p(added),
            power=power(worse, self.caught_before, terms.effect, alpha, terms.least),
        )  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """All verdicts; `word` is that of the whole."""

    verdicts: tuple[Verdict, ...]
    problem: str = ""
    """Why nothing could be compared; then there are no verdicts."""

    @property
    def word(self) -> Word:
        """A regression anywhere is one; otherwise the verdicts over all scenarios decide, or those of the only one."""
        if self.problem:
            return "inconclusive"
        if any(verdict.word == "regress" for verdict in self.verdicts):
            return "regress"
        words = {verdict.word for verdict in self.deciding()}
        return next((word for word in ("underpowered", "inconclusive") if word in words), "pass")

    def deciding(self) -> list[Verdict]:
        """One verdict a detector: that over all scenarios, or that of its only scenario."""
        pooled = {verdict.detector for verdict in self.verdicts if verdict.scenario == OVERALL}
        return [v for v in self.verdicts if v.scenario == OVERALL or v.detector not in pooled]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regress, 3 inconclusive or underpowered."""
        return EXIT_CODES[self.word]


def judge(now: Baseline, before: Baseline, terms: GateTerms, failed: Mapping[Key, str]) -> Gate:
    """Hold what detectors do now against what they did; `failed` are cells that gave no result, with their reasons."""
    if now.records and now.worlds != before.worlds:
        return Gate(
            (),
            "the baseline was made on other simulated worlds (another version of the suite or of scopedrift):"
            " write a new baseline with --update",
        )
    asked = {detector for _, detector in [*now.records, *failed]}
    known = {key: record for key, record in before.records.items() if key[1] in asked}
    if not known:
        return Gate((), f"the baseline holds none of {', '.join(sorted(asked)) or 'the detectors'}")
    verdicts: list[Verdict] = []
    pairs: dict[Key, _Pair] = {}
    for key in sorted({*known, *now.records, *failed}):
        if key in failed:
            verdicts.append(Verdict(*key, "regress", f"a missing result: {failed[key]}"))
        elif key not in now.records:
            verdicts.append(Verdict(*key, "regress", "a missing result: the scenario was not run"))
        elif key not in known:
            verdicts.append(Verdict(*key, "regress", "a missing baseline: the scenario is new; use --update"))
        elif len(now.records[key].false_positives) != len(known[key].false_positives):
            return Gate((), f"{key[1]} in {key[0]}: the baseline has a different number of worlds; use --update")
        else:
            pairs[key] = _Pair.of(now.records[key], known[key], before.seeds)
    for detector in sorted({detector for _, detector in pairs}):
        mine = [pair for key, pair in pairs.items() if key[1] == detector]
        if len(mine) > 1:
            pairs[OVERALL, detector] = reduce(add, mine)
    alpha = terms.alpha / max(2 * len(pairs), 1)
    tested = [pair.tested(*key, terms, alpha) for key, pair in pairs.items()]
    adjusted = adjust([p for verdict in tested for p in (verdict.p_recall, verdict.p_false_positives)]).tolist()
    for verdict, p_recall, p_false in zip(tested, adjusted[::2], adjusted[1::2], strict=True):
        verdicts.append(_decided(replace(verdict, p_recall=p_recall, p_false_positives=p_false), terms))
    return Gate(tuple(sorted(verdicts, key=lambda v: (v.scenario == OVERALL, v.scenario, v.detector))))


def _decided(verdict: Verdict, terms: GateTerms) -> Verdict:
    """The verdict in a word, with its reason."""
    if reasons := _regressions(verdict, terms):
        return replace(verdict, word="regress", reason="; ".join(reasons))
    if not verdict.loss.high < terms.effect:
        wanting = f"a loss of {terms.effect:.0%} cannot be ruled out"
        if verdict.power < terms.power:
            chance = f"{wanting}, and the chance of finding one is only {verdict.power:.0%}: use more worlds"
            return replace(verdict, word="underpowered", reason=chance)
        return replace(
            verdict, word="inconclusive", reason=f"{wanting}: use more worlds, or inspect the lost incidents"
        )
    if verdict.false_positives > verdict.false_positives_before and not 1 + verdict.growth.high < terms.alarms_effect:
        wanting = f"{terms.alarms_effect:.3g} times the false alarms cannot be ruled out"
        return replace(verdict, word="inconclusive", reason=wanting)
    return replace(verdict, reason=f"a loss of {terms.effect:.0%} is ruled out")


def _regressions(verdict: Verdict, terms: GateTerms) -> list[str]:
    floor = terms.floors.get(verdict.scenario, {}).get(verdict.detector)
    recall = verdict.caught / verdict.incidents if verdict.incidents else 0.0
    growth = verdict.false_positives / max(verdict.false_positives_before, 1)
    reasons = []
    if verdict.p_recall < terms.alpha and verdict.loss.estimate >= terms.least - 1e-9:
        lost = f"{verdict.loss.estimate:.0%} of the incidents caught before are lost"
        reasons.append(f"{lost} (p = {verdict.p_recall:.2g})")
    if verdict.p_false_positives < terms.alpha and growth >= terms.alarms:
        reasons.append(f"{growth:.2g} times the false alarms (p = {verdict.p_false_positives:.2g})")
    if floor is not None and recall < floor:
        reasons.append(f"recall {recall:.0%} is below the floor of {floor:.0%}")
    return reasons
