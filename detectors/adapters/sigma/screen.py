"""Rules over many raw records: what a part of a record decides is judged once for each distinct text of the part.

A *part* is the JSON text of one field of a record, or of a field within it.  The tests that a part's text passes are
its class.  Rules are asked in a tree: the part that most rules test comes first (the name of the operation), and what
its class leaves open decides which part is looked at next.  Most records so end at a leaf that says which rules match
after a few look-ups, and only rules that test whole records or two fields at once have a record decoded.  The result is
that of `CompiledRule.matches`; records that are not plain (no strict JSON, names with dots) are judged by it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from scopedrift.detectors.adapters.sigma.conditions import FieldTest
from scopedrift.detectors.adapters.sigma.fields import paths
from scopedrift.detectors.adapters.sigma.rules import CompiledRule
from scopedrift.simulator.records.json_paths import Json, Record, lenient

MEMO: Final = 30_000
"""Maximum texts of a part that are remembered; they are then forgotten, which bounds memory."""
_NULL: Final = b"null"
_NOTHING: Final = msgspec.Raw(b"")
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_Cut = Mapping[str, msgspec.Raw]
"""A record, or an object in it, cut into its fields."""


class _Dotted(Exception):
    """A record with names that have dots."""


class _Part(dict[bytes, int]):
    """The classes of the texts of one part."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __init__(self, path: tuple[str, ...], tests: Sequence[FieldTest]) -> None:
        super().__init__()
        self.path, self.head, self.top = path, path[0], len(path) == 1
        self.tests = [test for test in tests if len(test.fields) == 1 and _below(path, test.fields[0])]
        self.classes: dict[frozenset[FieldTest], int] = {}
        self.passed: list[frozenset[FieldTest]] = []

    def __missing__(self, raw: bytes) -> int:
        if len(self) >= MEMO:
            self.clear()
        record = self._record(raw)
        passed = frozenset(test for test in self.tests if test.holds(record))
        if passed not in self.classes:
            self.classes[passed] = len(self.passed)
            self.passed.append(passed)
        self[raw] = number = self.classes[passed]
        return number

    def _record(self, raw: bytes) -> Record:
        """A record with nothing but this part."""
        if not raw:
            return {}
        value: Json = lenient(raw.decode("utf-8", "replace"))  # as whole records are: numbers of many digits, too
        for name in reversed(self.path[1:]):
            value = {name: value}
        return {self.head: value}


@dataclass(eq=False)
class _Node:
    """What is known of a record whose classes led here."""

    told: dict[FieldTest, bool]
    certain: tuple[CompiledRule, ...]
    """Rules that match."""
    unsure: tuple[CompiledRule, ...]
    """Rules that may match."""
    part: _Part | None
    """What is looked at next; None at a leaf."""
    next: dict[int, _Node] = field(default_factory=dict)


class Screen:
    """The rules for one kind of record."""

    def __init__(self, rules: Sequence[CompiledRule], wanted: Iterable[str]) -> None:
        """`wanted` are fields beside those of the rules of which it matters whether records have them."""
        self._rules = rules
        tests = [test for rule in rules for test in rule.condition.tests]
        self._wanted = {*wanted, *(name for test in tests for name in test.fields)}
        paths_of = (_path(name, self._wanted) for name in sorted(self._wanted))
        parts = [_Part(path, tests) for path in dict.fromkeys(paths_of)]
        self._parts = parts
        self._part_of = {test: part for part in parts for test in part.tests}
        self.carried: set[str] = set()
        """The fields of the rules, and those wanted, that records had so far."""
        self._missing: dict[str, list[bytes]] = {}
        self._note({})
        self._root = self._node({}, rules)

    def matching(self, raw: bytes, decoded: Callable[[], Record]) -> tuple[CompiledRule, ...]:
        """The rules that match a record, in order; `decoded` decodes all of it, where that is needed."""
        try:
            leaf = self._leaf(raw)
        except (*_BROKEN, _Dotted):
            record = decoded()
            self._note(record)
            return tuple(rule for rule in self._rules if rule.matches(record))
        if not leaf.unsure:
            return leaf.certain
        record = decoded()
        hit = {rule for rule in leaf.unsure if rule.matches(record)}.union(leaf.certain)
        return tuple(rule for rule in self._rules if rule in hit) if hit else ()

    def excludes(self, raw: bytes, named: Container[str]) -> bool:
        """Whether no rule matches any record in which the fields `named` are as in this one."""
        told = dict[FieldTest, bool]()
        try:
            cut = _plain(raw)
            for part in self._parts:
                if ".".join(part.path) in named:
                    passed = part.passed[part[_text(part, cut, {})]]
                    told |= {test: test in passed for test in part.tests}
        except (*_BROKEN, _Dotted):
            return False
        return not any(rule.condition.possible(told.get)[0] for rule in self._rules)

    def _leaf(self, raw: bytes) -> _Node:
        cut = _plain(raw)
        inner: dict[str, _Cut] = {}
        for head, ends in self._missing.items():
            if head in cut:
                raw_head = bytes(cut[head])
                if len(raw_head) <= len(_NULL) and ends[0]:
                    continue  # nothing in it
                for end in ends:
                    if end in raw_head:
                        self._note({head: msgspec.json.decode(raw_head)})
                        break
        node = self._root
        while (part := node.part) is not None:
            text = bytes(cut.get(part.head, _NOTHING)) if part.top else _text(part, cut, inner)
            number = part[text]
            after = node.next.get(number)
            if after is None:
                told = {test: test in part.passed[number] for test in part.tests}
                after = node.next[number] = self._node({**node.told, **told}, node.unsure, node.certain)
            node = after
        return node

    def _note(self, record: Record) -> None:
        """Note which wanted fields a record has, and what a text holds that may have one of the others."""
        self.carried |= self._wanted.intersection(paths(record))
        self._missing = {}
        for name in sorted(self._wanted - self.carried):
            head, dot, rest = name.partition(".")
            self._missing.setdefault(head, []).append(f'"{rest.rpartition(".")[2]}"'.encode() if dot else b"")

    def _node(
        self, told: dict[FieldTest, bool], asked: Sequence[CompiledRule], certain: tuple[CompiledRule, ...] = ()
    ) -> _Node:
        possible = {rule: rule.condition.possible(told.get) for rule in asked}
        matching = {rule for rule, (can, cannot) in possible.items() if can and not cannot}.union(certain)
        unsure = tuple(rule for rule, (can, cannot) in possible.items() if can and cannot)
        tests = (test for rule in unsure for test in rule.condition.tests if test not in told)
        parts = Counter(self._part_of[test] for test in tests if test in self._part_of)
        most = max(parts, key=lambda part: parts[part], default=None)
        return _Node(told, tuple(rule for rule in self._rules if rule in matching), unsure, most)


def _plain(raw: bytes | msgspec.Raw) -> _Cut:
    fields = _fields(raw)
    if "." in "".join(fields):
        raise _Dotted
    return fields


def _text(part: _Part, cut: _Cut, inner: dict[str, _Cut]) -> bytes:
    """The text of a part of a record; empty if it has none."""
    whole = cut.get(part.head, _NOTHING)
    if len(part.path) == 1:
        return bytes(whole)
    within = inner.get(part.head)
    if within is None:
        within = inner[part.head] = {} if bytes(whole) in (b"", _NULL) else _plain(whole)
    return bytes(within.get(part.path[1], _NOTHING))


def _path(name: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """The part that a field is in: within an object, unless the object itself is asked for."""
    head, dot, rest = name.partition(".")
    return (head, rest.partition(".")[0]) if dot and head not in wanted else (head,)


def _below(path: tuple[str, ...], name: str) -> bool:
    return tuple(name.split("."))[: len(path)] == path
