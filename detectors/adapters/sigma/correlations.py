"""Correlations of Sigma rules, judged while events arrive: a number of matches, values or rules within a time span.

A correlation counts the matches of its rules, for each value of its `group-by` fields, in a window that ends at the
latest match of the group.  A late event counts if it lies within the window; an event with a time after its arrival
counts at its arrival.  The correlation fires at every match at which its condition holds.  Its memory is bounded: each
group keeps what its condition can still need, and there are at most `GROUPS` groups.  A correlation that cannot be
judged has a `reason`: conditions on what does *not* happen, sums, means and percentiles, correlations of correlations,
and conditions with `and`, `or`, `not` are not supported.  A match that lacks a `group-by` field belongs to no group.

Units: times in microseconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scopedrift.detectors.adapters.sigma.conditions import field_name
from scopedrift.detectors.adapters.sigma.rules import LEVELS, CompiledRule, level_of

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule

KINDS: Final = ("event_count", "value_count", "temporal", "temporal_ordered")
RISING: Final = ("GTE", "GT", "EQ")
"""Comparisons that a further match can make true."""
GROUPS: Final = 50_000
"""Maximum groups of a correlation; beyond it, the group that matched least recently is dropped."""
HELD: Final = 1_000
"""Maximum matches of each rule in an ordered group; beyond it, the earliest are dropped."""
SECOND_US: Final = 1_000_000

Key = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Correlation:
    """One correlation, ready to be judged unless it has a `reason`."""

    title: str
    file: Path
    level: str
    kind: str
    rules: tuple[CompiledRule, ...]
    groups: Mapping[CompiledRule, tuple[str, ...]]
    """For each rule: the fields of its records that say to which group a match belongs."""
    counted: Mapping[CompiledRule, tuple[str, ...]]
    """For each rule: the fields whose values are counted (`value_count`)."""
    span_us: int
    op: str
    count: float
    generate: bool = False
    """Whether its rules also alert by themselves."""
    reason: str = ""
    """Why it is not supported; empty if it is."""
    id: str = ""

    @property
    def score(self) -> float:
        """Its level as a score, 0 to 1."""
        return LEVELS[self.level]

    def places(self, rule: CompiledRule) -> tuple[int, ...]:
        """The places that a rule has among `rules`: more than one if it is named more than once."""
        return tuple(place for place, each in enumerate(self.rules) if each is rule)

    def blind_to(self, blind: Mapping[CompiledRule | Correlation, str], carried: Mapping[str, Iterable[str]]) -> str:
        """Why it could never fire (blind rules, or missing fields to group by); empty if it can.

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

    rule: CompiledRule
    places: tuple[tuple[Correlation, Key, Key], ...]
    """For each correlation: the group, and what is counted: values of fields, or the places of the rule."""


class _Values:
    """The latest match of each value within the window: as many values as the condition needs, and one more."""

    def __init__(self, asked: Correlation) -> None:
        self._asked = asked
        self._held: list[tuple[int, int, Hashable]] = []
        self._latest: dict[Hashable, tuple[int, int]] = {}

    def fires(self, time: int, number: int, what: Hashable) -> bool:
        held, latest = self._held, self._latest
        if held and time < held[-1][0] - self._asked.span_us:
            return False
        before = latest.get(what)
        if before is None or before < (time, number):
            if before is not None:
                del held[bisect_left(held, before)]
            insort(held, (time, number, what))
            latest[what] = time, number
            begin = held[-1][0] - self._asked.span_us
            over = max(bisect_left(held, (begin,)), len(held) - int(self._asked.count) - 1)
            for _, _, gone in held[:over]:
                del latest[gone]
            del held[:over]
        seen, limit = len(held), self._asked.count
        return seen == limit if self._asked.op == "EQ" else seen > limit if self._asked.op == "GT" else seen >= limit


class _Order:
    """The matches of each rule within the window, by time: the latest `HELD` of each."""

    def __init__(self, asked: Correlation) -> None:
        self._span = asked.span_us
        self._held: dict[Hashable, list[tuple[int, int]]] = {place: [] for place in range(len(asked.rules))}

    def fires(self, time: int, number: int, what: Key) -> bool:
        begin = max((held[-1][0] for held in self._held.values() if held), default=time) - self._span
        if time < begin:
            return False
        begin = max(begin, time - self._span)
        for own in (self._held[place] for place in what):
            insort(own, (time, number))
            del own[: max(bisect_left(own, (begin,)), len(own) - HELD)]
        at: tuple[int, int] | tuple[float] = (math.inf,)
        for held in reversed(self._held.values()):  # the latest match of the last rule, of the one before it...
            before = bisect_left(held, at)
            if not before or held[before - 1][0] < begin:
                return False
            at = held[before - 1]
        return True


class Memory:
    """What one correlation has seen: the `GROUPS` groups that matched last."""

    def __init__(self, correlation: Correlation) -> None:
        self._asked = correlation
        self._groups: OrderedDict[Key, _Values | _Order] = OrderedDict()
        self._number = 0

    def fires(self, time: int, key: Key, what: Key) -> bool:
        """Note a match (`what` as of a `Hit`), in order of arrival; whether the condition holds with it."""
        self._number += 1
        if key in self._groups:
            self._groups.move_to_end(key)
        else:
            self._groups[key] = _Order(self._asked) if self._asked.kind == "temporal_ordered" else _Values(self._asked)
            if len(self._groups) > GROUPS:
                self._groups.popitem(last=False)
        group, kind = self._groups[key], self._asked.kind
        if isinstance(group, _Order):
            return group.fires(time, self._number, what)
        if kind == "temporal":  # a match stands for each place that its rule has
            return [group.fires(time, self._number, place) for place in what][-1]
        return group.fires(time, self._number, self._number if kind == "event_count" else what)  # every match counts


def correlation(
    rule: SigmaCorrelationRule, file: Path, known: Mapping[str, CompiledRule | SigmaCorrelationRule]
) -> Correlation:
    """A correlation that pySigma read; `known` are the rules and correlations by name and id."""
    from sigma.correlations import SigmaCorrelationCondition

    references = [str(each.reference) for each in rule.rules or ()]
    rules = {ref: each for ref in references if isinstance(each := known.get(ref), CompiledRule)}
    aliases = {alias.alias: {str(r.reference): f for r, f in alias.mapping.items()} for alias in rule.aliases}

    def fields_of(names: Iterable[str]) -> dict[CompiledRule, tuple[str, ...]]:
        return {
            each: tuple(field_name(aliases.get(name, {}).get(ref, name), each.format or "") for name in names)
            for ref, each in rules.items()
        }

    kind = rule.type.name.lower()
    condition = rule.condition if isinstance(rule.condition, SigmaCorrelationCondition) else None
    op = condition.op.name if condition else ""
    counted = (condition and condition.fieldref) or []
    return Correlation(
        title=rule.title,
        id=str(rule.id or ""),
        file=file,
        level=level_of(rule),
        kind=kind,
        rules=tuple(rules[ref] for ref in references if ref in rules),
        groups=fields_of(rule.group_by or ()),
        counted=fields_of([counted] if isinstance(counted, str) else counted),
        span_us=int(rule.timespan.seconds) * SECOND_US,
        op=op,
        count=condition.count if condition else 0,
        generate=bool(rule.generate),
        reason=_reason(kind, op, references, known),
    )


def _reason(kind: str, op: str, references: list[str], known: Mapping[str, CompiledRule | SigmaCorrelationRule]) -> str:
    if kind not in KINDS:
        return f"a correlation of the type {kind}: not evaluated"
    if not op:
        return "a correlation with a condition of and, or, not: not evaluated"
    if missing := [name for name in references if name not in known]:
        return f"a correlation of {', '.join(missing)}, which is not among the rules"
    if not all(isinstance(known[name], CompiledRule) for name in references):
        return "a correlation of correlations: not evaluated"
    if op not in RISING:
        return "a correlation that is true of what does not happen: known only when the time is over, not evaluated"
    if kind == "temporal_ordered" and op == "EQ":
        return "a correlation of rules in order with an exact number: not evaluated"
    return ""
