"""A set of Sigma rules applied to records: which rules match, and which correlations fire.

`hits` depends on one record only, so records can be judged in any order.  Call `alerting` in order of arrival, because
correlations keep state.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from scopedrift.detectors.adapters.sigma.correlations import Correlation, Hit, Key, Memory
from scopedrift.detectors.adapters.sigma.fields import found, text
from scopedrift.detectors.adapters.sigma.rules import CompiledRule
from scopedrift.detectors.adapters.sigma.ruleset import Ruleset
from scopedrift.detectors.adapters.sigma.screen import Screen
from scopedrift.detectors.base import Part
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.json_paths import Record
from scopedrift.simulator.records.reading.reader import whole


class _PlainHits(dict[tuple[CompiledRule, ...], tuple[Hit, ...]]):
    """Hits of rules that no correlation uses."""

    def __missing__(self, rules: tuple[CompiledRule, ...]) -> tuple[Hit, ...]:
        self[rules] = made = tuple(Hit(rule, ()) for rule in rules)
        return made


class Judge:
    """The rules of a set that are not blind, as functions of records."""

    def __init__(self, ruleset: Ruleset, blind: Container[CompiledRule | Correlation]) -> None:
        self._alone = frozenset(ruleset.alerting())
        self._memories = {each: Memory(each) for each in ruleset.correlations if each not in blind}
        self._uses: dict[CompiledRule, list[Correlation]] = {}
        for each in self._memories:
            for rule in dict.fromkeys(each.rules):
                self._uses.setdefault(rule, []).append(each)
        usable = [rule for rule in ruleset.rules if rule.format and rule not in blind]
        self.rules: dict[str, list[CompiledRule]] = {}
        """By the kind of record."""
        for rule in usable:
            if rule in self._alone or rule in self._uses:
                self.rules.setdefault(rule.format or "", []).append(rule)
        wanted = {
            name for each in self._memories for of in (each.groups, each.counted) for one in of.values() for name in one
        }
        self._screens = {format: Screen(rules, wanted) for format, rules in self.rules.items()}
        self._plain = _PlainHits()

    def hits(self, format: str, record: Record) -> list[Hit]:
        """The rules that match a record."""
        return [self._hit(rule, record) for rule in self.rules.get(format, ()) if rule.matches(record)]

    def hits_of(self, format: str, raw: bytes) -> Sequence[Hit]:
        """The same of a record's JSON text; many records take less time so.

        Raises `RecursionError` for one that is nested too deeply.
        """
        screen = self._screens.get(format)
        if screen is None:
            return ()

        def decoded() -> Record:
            record = whole(raw)
            if record is None:
                raise RecursionError
            return record

        matching = screen.matching(raw, decoded)
        if not matching or self._uses.keys().isdisjoint(matching):
            return self._plain[matching]
        record = decoded()
        return [self._hit(rule, record) for rule in matching]

    def excludes(self, format: str, raw: bytes) -> bool:
        """Whether no rule matches any record that tells of the same operation and outcome as this one."""
        return self._screens[format].excludes(raw, FORMATS[format].named)

    def carried(self) -> dict[str, set[str]]:
        """The fields that records had which rules or correlations ask for, by format, as far as `hits_of` saw them."""
        return {format: screen.carried for format, screen in self._screens.items()}

    def _hit(self, rule: CompiledRule, record: Record) -> Hit:
        return Hit(rule, tuple(_places(rule, self._uses.get(rule, ()), record)))

    def alerting(self, hits: Sequence[Hit], time: int, arrived: int) -> list[CompiledRule | Correlation]:
        """The rules that alert at an event at `time` (microseconds) with these hits; call in order of arrival."""
        time = min(time, arrived)  # a clock that is ahead must not end everybody's windows
        fired: list[CompiledRule | Correlation] = [hit.rule for hit in hits if hit.rule in self._alone]
        for each, key, what in (place for hit in hits for place in hit.places):
            if self._memories[each].fires(time, key, what) and each not in fired:
                fired.append(each)
        return fired


def _places(
    rule: CompiledRule, correlations: Sequence[Correlation], record: Record
) -> Iterable[tuple[Correlation, Key, Key]]:
    for each in correlations:
        key, counted = (_values(record, names[rule]) for names in (each.groups, each.counted))
        if key is not None and counted is not None:
            yield each, key, each.places(rule) if each.kind.startswith("temporal") else counted


def _values(record: Record, names: Iterable[str]) -> Key | None:
    """The values of some fields; None if one of them has none."""
    values = []
    for name in names:
        seen = [text(value) for value in found(record, tuple(name.split("."))) if value is not None]
        if not seen:
            return None
        values.append(tuple(seen))
    return tuple(values)


def key(each: CompiledRule | Correlation) -> str:
    """A key that distinguishes rules with the same title: the id, or else the file."""
    return each.id or each.file.name


def unread(ruleset: Ruleset) -> list[Part]:
    """What could not be read as a rule, or applied as a filter, each as a blind rule with the reason."""
    return [Part(each.title, blind=each.reason, key=each.id or each.file.name) for each in ruleset.rejected]


def blind(
    ruleset: Ruleset, carried: Mapping[str, Iterable[str]], of_log: bool = False
) -> dict[CompiledRule | Correlation, str]:
    """The rules that can never fire on records with the fields `carried` (by format), and why.

    `of_log`: the fields are those of one log's records, so a format without fields is not in the log.
    """
    reasons: dict[CompiledRule | Correlation, str] = {}
    for rule in ruleset.rules:
        have = frozenset(carried.get(rule.format or "", ()))
        if rule.format is None:
            reasons[rule] = f"no stream has records of the log source {rule.source}"
        elif of_log and rule.format not in carried:
            reasons[rule] = f"the log has no {rule.format} records"
        elif missing := rule.blind_to(have):
            reasons[rule] = f"{rule.format} records do not carry {', '.join(missing)}"
    for each in ruleset.correlations:
        if why := each.blind_to(reasons, carried):
            reasons[each] = why
    return reasons
