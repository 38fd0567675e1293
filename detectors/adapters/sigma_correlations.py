"""Correlations of Sigma rules, judged while events arrive: so many matches, values or rules within a time span.

A correlation counts what its rules match, apart for each value of its `group-by` fields, in a window that ends at the
latest match of the group; an event that arrives late counts if it lies within.  It fires at every match at which its
condition holds.  What cannot be judged so has a `reason`: a condition that is true of what does *not* happen is
known only when the time is over; sums, means and percentiles, correlations of correlations, and conditions with `and`,
`or`, `not` are not evaluated.  A match without a value of a `group-by` field belongs to no group.

Units: times in microseconds.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from scopedrift.detectors.adapters.sigma_rules import Rule

KINDS: Final = ("event_count", "value_count", "temporal", "temporal_ordered")
RISING: Final = ("GTE", "GT", "EQ")
"""Comparisons that a further match can make true."""
IDLE: Final = 50_000
"""Groups after which those whose window is over are forgotten."""
SECOND_US: Final = 1_000_000

Key = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Correlation:
    """One correlation, ready to be judged unless it has a `reason`."""

    title: str
    file: Path
    level: str
    score: float
    kind: str
    rules: tuple[Rule, ...]
    groups: Mapping[Rule, tuple[str, ...]]
    """For each rule: the fields of its records that say to which group a match belongs."""
    counted: Mapping[Rule, tuple[str, ...]]
    """For each rule: the fields whose values are counted (`value_count`)."""
    span_us: int
    op: str
    count: float
    generate: bool = False
    """Whether its rules alert by themselves, too."""
    reason: str = ""
    """Why it is not evaluated; empty if it is."""

    def blind_to(self, blind: Mapping[Any, str], carried: Mapping[str, Iterable[str]]) -> str:
        """Why it could never fire, its rules being blind or lacking fields to group by; empty if it can.

        `carried` are the fields of records, by format.
        """
        if self.reason:
            return self.reason
        seeing, lacking = 0, set()
        for rule in self.rules:
            have = frozenset(carried.get(rule.format or "", ()))
            missing = [name for name in (*self.groups[rule], *self.counted[rule]) if name not in have]
            lacking |= {f"{rule.format} records do not carry {name}" for name in missing}
            seeing += rule not in blind and not missing
        least = self.count + (self.op == "GT") if self.kind == "temporal" else len(self.rules)
        if seeing >= (least if self.kind.startswith("temporal") else 1):
            return ""
        return "; ".join(sorted({blind[rule] for rule in self.rules if rule in blind} or lacking))


class Hit(NamedTuple):
    """A rule that matched a record, with what its correlations need of the record."""

    rule: Rule
    places: tuple[tuple[Correlation, Key, Hashable], ...]
    """For each correlation: the group, and what is counted."""


@dataclass
class _Group:
    """The matches of one group within the window, by time."""

    held: list[tuple[int, int, Hashable]] = field(default_factory=list)
    counts: Counter[Hashable] = field(default_factory=Counter)
    number: int = 0

    def add(self, time: int, what: Hashable, span: int) -> bool:
        """Note a match; False if it came too late to count."""
        if self.held and time < self.held[-1][0] - span:
            return False
        self.number += 1
        insort(self.held, (time, self.number, what))
        self.counts[what] += 1
        begin, over = self.held[-1][0] - span, 0
        while self.held[over][0] < begin:
            gone = self.held[over][2]
            self.counts[gone] -= 1
            if not self.counts[gone]:
                del self.counts[gone]
            over += 1
        del self.held[:over]
        return True


class Memory:
    """What one correlation has seen."""

    def __init__(self, correlation: Correlation) -> None:
        self._asked = correlation
        self._groups: dict[Key, _Group] = {}

    def fires(self, time: int, key: Key, what: Hashable) -> bool:
        """Note a match, in order of arrival; whether the condition holds with it."""
        if len(self._groups) > IDLE and key not in self._groups:
            begin = time - self._asked.span_us
            self._groups = {key: group for key, group in self._groups.items() if group.held[-1][0] >= begin}
        group = self._groups.setdefault(key, _Group())
        if not group.add(time, what, self._asked.span_us):
            return False
        if self._asked.kind == "temporal_ordered":
            return self._in_order(group)
        seen = len(group.held) if self._asked.kind == "event_count" else len(group.counts)
        limit = self._asked.count
        return seen == limit if self._asked.op == "EQ" else seen > limit if self._asked.op == "GT" else seen >= limit

    def _in_order(self, group: _Group) -> bool:
        """Whether the rules matched one after the other within the window."""
        wanted = list(range(len(self._asked.rules)))
        if len(group.counts) < len(wanted):
            return False
        at = 0
        for _, _, what in group.held:
            at += at < len(wanted) and what == wanted[at]
        return at == len(wanted)


def correlation(rule: Any, file: Path, score: float, level: str, known: Mapping[str, Any], own: Any) -> Correlation:
    """A correlation that pySigma read; `known` are the rules by name and id, `own` makes a field's name ours."""
    references = [str(each.reference) for each in rule.rules or ()]
    found = [known.get(name) for name in references]
    rules = tuple(each for each in found if each is not None and hasattr(each, "matches"))
    aliases = {alias.alias: {str(r.reference): f for r, f in alias.mapping.items()} for alias in rule.aliases}

    def fields_of(names: Iterable[str]) -> dict[Rule, tuple[str, ...]]:
        return {
            each: tuple(own(aliases.get(name, {}).get(ref, name), each.format or "") for name in names)
            for ref, each in zip(references, found, strict=True)
            if each is not None and each in rules
        }

    kind = rule.type.name.lower()
    plain = hasattr(rule.condition, "op")
    counted = (getattr(rule.condition, "fieldref", None) or []) if plain else []
    return Correlation(
        title=rule.title,
        file=file,
        level=level,
        score=score,
        kind=kind,
        rules=rules,
        groups=fields_of(rule.group_by or ()),
        counted=fields_of([counted] if isinstance(counted, str) else counted),
        span_us=int(rule.timespan.seconds) * SECOND_US,
        op=rule.condition.op.name if plain else "",
        count=rule.condition.count if plain else 0,
        generate=bool(rule.generate),
        reason=_reason(kind, plain and rule.condition.op.name, references, found, rules),
    )


def _reason(kind: str, op: str | bool, references: list[str], found: list[Any], rules: tuple[Any, ...]) -> str:
    if kind not in KINDS:
        return f"a correlation of the type {kind}: not evaluated"
    if not op:
        return "a correlation with a condition of and, or, not: not evaluated"
    if missing := [name for name, each in zip(references, found, strict=True) if each is None]:
        return f"a correlation of {', '.join(missing)}, which is not among the rules"
    if len(rules) < len(found):
        return "a correlation of correlations: not evaluated"
    if op not in RISING:
        return "a correlation that is true of what does not happen: known only when the time is over, not evaluated"
    if kind == "temporal_ordered" and op == "EQ":
        return "a correlation of rules in order with an exact number: not evaluated"
    return ""
