"""The verdict of a gate: has a detector become worse than the stored baseline, by more than luck?

Both stand on the same worlds, so they are compared world by world: incidents caught before and missed now, less those
missed before and caught now, and false alarms now, less those before.  Worlds are the independent unit: what one
threshold or one habit decides is decided for a whole world.  If nothing has changed, each world's difference is as
likely to be the other way round; the p-value is the share of all those turns that sum up to at least what was seen
(Fisher's exact randomisation test for pairs).  Over several scenarios, what happened under one seed is one world: their
backgrounds are the same.  A regression must be significant after Holm's correction over
everything that is tested, *and* large enough to matter; or recall falls below a floor; or a cell is missing.  A gate
that could not have found the loss that it is meant to find says so instead of passing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import reduce
from itertools import zip_longest
from operator import add
from typing import Final, Literal

from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.experiments.running.baseline import Baseline, GateError, Key, Record, world_of
from scopedrift.scenarios.suite import GateTerms

OVERALL: Final = "all scenarios"

Word = Literal["pass", "regress", "underpowered"]
EXIT_CODES: Final[Mapping[Word, int]] = {"pass": 0, "regress": 1, "underpowered": 3}


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
    p_recall: float = 1.0
    """Adjusted over everything that the gate tests."""
    p_false_positives: float = 1.0
    power: float = 0.0
    """The chance that a loss of the stated size, and nothing else, would have been found."""


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
    def of(cls, now: Record, before: Record) -> _Pair:
        worlds = range(len(before.false_positives))

        def by_world(caught: frozenset[str]) -> tuple[int, ...]:
            seeds = Counter(world_of(name) for name in caught)
            return tuple(seeds[world] for world in worlds)

        lost, gained = by_world(before.caught - now.caught), by_world(now.caught - before.caught)
        alarms = now.false_positives, before.false_positives
        return cls(now.incidents, by_world(before.caught), lost, gained, *alarms)

    def __add__(self, other: _Pair) -> _Pair:
        """Both, seed by seed."""
        own, others = astuple(self), astuple(other)
        sums = (tuple(map(sum, zip_longest(a, b, fillvalue=0))) for a, b in zip(own[1:], others[1:], strict=True))
        return _Pair(self.incidents + other.incidents, *sums)

    def tested(self, scenario: str, detector: str) -> Verdict:
        """The numbers, and the p-values before correction."""
        before, lost, gained = sum(self.caught_before), sum(self.lost), sum(self.gained)
        return Verdict(
            scenario, detector, "pass", "",
            caught=before - lost + gained, caught_before=before, incidents=self.incidents, lost=lost, gained=gained,
            false_positives=sum(self.false_now), false_positives_before=sum(self.false_before),
            p_recall=chance([worse - better for worse, better in zip(self.lost, self.gained, strict=True)]),
            p_false_positives=chance([a - b for a, b in zip(self.false_now, self.false_before, strict=True)]),
        )  # fmt: skip

    def power(self, terms: GateTerms, alpha: float) -> float:
        """The chance of finding that each incident caught before is now missed with chance `terms.effect`, if nothing
        else changes.

        If k worlds lose any and none gains, all other turns sum up to less: the p-value is 0.5 ** k.
        """
        import numpy as np
        from scipy.stats import binom

        needed = next(k for k in range(1, 200) if 0.5**k < alpha)
        enough = max(math.ceil(terms.least * sum(self.caught_before) - 1e-9), 1)
        chances = np.zeros((needed + 1, enough + 1))  # by worlds that lose and incidents lost; the last stands for more
        chances[0, 0] = 1.0
        for caught in filter(None, self.caught_before):
            lost = binom.pmf(np.arange(caught + 1), caught, terms.effect)
            after = chances * lost[0]
            for count in range(1, caught + 1):
                moved = np.zeros_like(chances)
                kept = max(enough - count, 0)
                moved[:, enough] = chances[:, kept:].sum(axis=1)
                moved[:, count:enough] = chances[:, :kept]
                after[1:] += moved[:-1] * lost[count]
                after[-1] += moved[-1] * lost[count]
            chances = after
        return float(chances[needed, enough])


def chance(differences: Sequence[int]) -> float:
    """The share of all turns of the signs of `differences` that sum up to at least what they sum up to as they are."""
    import numpy as np

    turns = np.ones(1)  # the distribution of how much of the sum is turned to the positive side
    for size in map(abs, differences):
        if size:
            wider = np.zeros(len(turns) + size)
            wider[: len(turns)] += turns / 2
            wider[size:] += turns / 2
            turns = wider
    return float(min(turns[sum(d for d in differences if d > 0) :].sum(), 1.0))


@dataclass(frozen=True)
class Gate:
    """All verdicts; `word` is that of the whole."""

    verdicts: tuple[Verdict, ...]

    @property
    def word(self) -> Word:
        """A regression anywhere is one; otherwise the verdict over all scenarios decides, or that of the only one."""
        words = {verdict.word for verdict in self.verdicts}
        pooled = {verdict.detector for verdict in self.verdicts if verdict.scenario == OVERALL}
        overall = {v.word for v in self.verdicts if v.scenario == OVERALL or v.detector not in pooled}
        return "regress" if "regress" in words else "underpowered" if "underpowered" in overall else "pass"


def judge(now: Baseline, before: Baseline, terms: GateTerms, failed: Mapping[Key, str]) -> Gate:
    """Hold what detectors do now against what they did; `failed` are cells that gave no result, with their reasons.

    Raises `GateError` if the worlds are not the same, or the baseline holds none of these detectors.
    """
    if now.records and now.worlds != before.worlds:
        raise GateError(
            "the simulated worlds are not those of the baseline (another version of the suite or of scopedrift):"
            " write a new baseline with --update"
        )
    asked = {detector for _, detector in [*now.records, *failed]}
    known = {key: record for key, record in before.records.items() if key[1] in asked}
    if not known:
        raise GateError(f"the baseline holds none of {', '.join(sorted(asked)) or 'the detectors'}")
    verdicts: list[Verdict] = []
    pairs: dict[Key, _Pair] = {}
    for key in sorted({*known, *now.records, *failed}):
        if key in failed:
            verdicts.append(Verdict(*key, "regress", f"a missing result: {failed[key]}"))
        elif key not in now.records:
            verdicts.append(Verdict(*key, "regress", "a missing result: the scenario was not run"))
        elif key not in known:
            verdicts.append(Verdict(*key, "regress", "a missing baseline: the scenario is new; use --update"))
        else:
            if len(now.records[key].false_positives) != len(known[key].false_positives):
                raise GateError(f"{key[1]} in {key[0]}: the baseline has another number of worlds; use --update")
            pairs[key] = _Pair.of(now.records[key], known[key])
    for detector in sorted({detector for _, detector in pairs}):
        mine = [pair for key, pair in pairs.items() if key[1] == detector]
        if len(mine) > 1:
            pairs[OVERALL, detector] = reduce(add, mine)
    compared = [pair.tested(*key) for key, pair in pairs.items()]
    adjusted = adjust([p for verdict in compared for p in (verdict.p_recall, verdict.p_false_positives)])
    alpha = terms.alpha / max(2 * len(compared), 1)  # what the least favourable of all tests must reach
    for i, (verdict, pair) in enumerate(zip(compared, pairs.values(), strict=True)):
        p_recall, p_false = (float(p) for p in adjusted[2 * i : 2 * i + 2])
        known_p = replace(verdict, p_recall=p_recall, p_false_positives=p_false, power=pair.power(terms, alpha))
        verdicts.append(_decided(known_p, terms))
    return Gate(tuple(sorted(verdicts, key=lambda v: (v.scenario == OVERALL, v.scenario, v.detector))))


def _decided(verdict: Verdict, terms: GateTerms) -> Verdict:
    """The verdict in a word."""
    share = (verdict.lost - verdict.gained) / verdict.caught_before if verdict.caught_before else 0.0
    floor = terms.floors.get(verdict.scenario, {}).get(verdict.detector)
    recall = verdict.caught / verdict.incidents if verdict.incidents else 0.0
    growth = verdict.false_positives / max(verdict.false_positives_before, 1)
    reasons = []
    if verdict.p_recall < terms.alpha and share >= terms.least:
        reasons.append(f"{share:.0%} of the incidents caught before are lost (p = {verdict.p_recall:.2g})")
    if verdict.p_false_positives < terms.alpha and growth >= terms.alarms:
        reasons.append(f"{growth:.2g} times the false alarms (p = {verdict.p_false_positives:.2g})")
    if floor is not None and recall < floor:
        reasons.append(f"recall {recall:.0%} is below the floor of {floor:.0%}")
    if reasons:
        return replace(verdict, word="regress", reason="; ".join(reasons))
    if verdict.power < terms.power:
        reason = (
            f"a loss of {terms.effect:.0%} alone would be found with a chance of {verdict.power:.0%} only:"
            " more worlds are needed"
        )
        return replace(verdict, word="underpowered", reason=reason)
    return replace(verdict, reason=f"no loss that matters; one of {terms.effect:.0%} alone would be found")
