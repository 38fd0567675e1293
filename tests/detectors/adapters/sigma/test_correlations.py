"""Correlations: so many matches, values or rules within a time span, as events arrive; what is not judged is told."""

import re
from collections import deque
from pathlib import Path

import pytest

pytest.importorskip("sigma")

from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.adapters.sigma import correlations
from scopedrift.detectors.adapters.sigma.correlations import Memory
from scopedrift.detectors.adapters.sigma.judge import Judge, blind
from scopedrift.detectors.adapters.sigma.ruleset import load_rules

SECOND = 1_000_000
BASE = """
title: {name}
name: {name}
level: low
logsource: {{product: aws, service: cloudtrail}}
detection:
  s: {{eventName: {name}}}
  condition: s
---
"""


def ruleset(folder: Path, correlation: str, extra: str = ""):
    text = "".join(BASE.format(name=name) for name in ("a", "b", "c"))
    path = folder / "rules.yml"
    path.write_text(f"{text}title: all\nlevel: high\ncorrelation: {{{correlation}}}\n{extra}")
    return load_rules(path)


def fired(rules, events) -> list[bool]:
    """Whether the correlation fires at each (second, event name, user, value[, second of arrival])."""
    judge = Judge(rules, ())
    found, arrived = [], 0
    for second, name, user, value, *told in events:
        record = {"eventName": name, "user": user, "value": value}
        arrived = max(arrived, *(told or [second]))
        alerting = judge.alerting(judge.hits("cloudtrail", record), second * SECOND, arrived * SECOND)
        found.append("all" in [each.title for each in alerting])
    return found


def at(*moments: int, name: str = "a", user: str = "u", value: str = "v"):
    return [(second, name, user, value) for second in moments]


COUNT = "type: event_count, rules: [a], group-by: [user], timespan: 1m, condition: {gte: 3}"


TWICE = {
    "then another, then again": ("temporal_ordered, rules: [a, b, a]", "abca", [False, False, False, True]),
    "two in a row": ("temporal_ordered, rules: [a, a]", "aaa", [False, True, True]),
    "only one of them": ("temporal_ordered, rules: [a, b, a]", "abb", [False, False, False]),
    "in any order": ("temporal, rules: [a, b, a]", "cba", [False, False, True]),
}


@pytest.mark.parametrize("what", TWICE)
def test_a_rule_can_be_named_twice(tmp_path, what):
    kind, names, expected = TWICE[what]
    loaded = ruleset(tmp_path, f"type: {kind}, group-by: [user], timespan: 1m")
    assert fired(loaded, [(second, name, "u", "v") for second, name in enumerate(names)]) == expected


@pytest.mark.parametrize(
    ("correlation", "events", "expected"),
    {
        "the third within the span": (COUNT, at(0, 30, 60, 61), [False, False, True, True]),
        "the first is too old": (COUNT, at(0, 30, 61), [False, False, False]),
        "late, but within": (COUNT, at(10, 60, 5), [False, False, True]),
        "too late to count": (COUNT, at(10, 70, 5, 70), [False, False, False, True]),
        "each group by itself": (
            COUNT,
            [*at(0, 1, user="x"), *at(2, 3, user="y"), *at(4, user="x")],
            [False, False, False, False, True],
        ),
        "no value to group by": (COUNT, at(0, 1, 2, user=None), [False] * 3),
        "other events do not count": (COUNT, [*at(0, 1), *at(2, name="z")], [False] * 3),
        "more than": (COUNT.replace("gte: 3", "gt: 2"), at(0, 1, 2), [False, False, True]),
        "exactly": (COUNT.replace("gte: 3", "eq: 2"), at(0, 1, 2), [False, True, False]),
        "no group at all": (
            COUNT.replace("group-by: [user], ", ""),
            [*at(0, user="x"), *at(1, user="y"), *at(2, user="z")],
            [False, False, True],
        ),
        "values, not events": (
            "type: value_count, rules: [a], group-by: [user], timespan: 1m, condition: {gte: 2, field: value}",
            [*at(0, 1), *at(2, value="w"), *at(61, value="w"), *at(62, value="x")],
            [False, False, True, True, True],
        ),
        "one rule and the other": (
            "type: temporal, rules: [a, b], group-by: [user], timespan: 1m",
            [*at(0, name="b"), *at(1, user="other"), *at(2), *at(63)],
            [False, False, True, False],
        ),
        "two of three rules": (
            "type: temporal, rules: [a, b, c], group-by: [user], timespan: 1m, condition: {gte: 2}",
            [*at(0, 1), *at(2, name="c")],
            [False, False, True],
        ),
        "in another order": (
            "type: temporal_ordered, rules: [a, b], group-by: [user], timespan: 1m",
            [*at(0, name="b"), *at(1), *at(2, name="b")],
            [False, False, True],
        ),
        "another field for another rule": (
            "type: temporal, rules: [a, b], group-by: [who], timespan: 1m, aliases: {who: {a: user, b: value}}",
            [*at(0, user="x"), *at(1, name="b", value="x"), *at(2, name="b", user="x")],
            [False, True, False],
        ),
    }.values(),
    ids=lambda value: None,
)
def test_a_correlation_fires_when_it_is_complete(tmp_path, correlation, events, expected):
    assert fired(ruleset(tmp_path, correlation), events) == expected


@pytest.mark.parametrize(
    ("correlation", "reason"),
    [
        ("type: event_count, rules: [a], timespan: 1m, condition: {lt: 3}", "does not happen"),
        ("type: event_count, rules: [a], timespan: 1m, condition: {neq: 3}", "does not happen"),
        ("type: value_sum, rules: [a], timespan: 1m, condition: {gte: 3, field: value}", "value_sum: not evaluated"),
        ("type: temporal, rules: [a, b], timespan: 1m, condition: a and not b", "and, or, not"),
        ("type: event_count, rules: [nowhere], timespan: 1m, condition: {gte: 3}", "nowhere, which is not among"),
    ],
)
def test_what_is_not_evaluated_is_blind_with_the_reason(tmp_path, correlation, reason):
    rules = ruleset(tmp_path, correlation)
    (why,) = blind(rules, {"cloudtrail": ["eventName", "user", "value"]}).values()
    assert reason in why
    judge = Judge(rules, blind(rules, {"cloudtrail": ["eventName"]}))
    assert all(each.title != "all" for _ in range(5) for each in judge.alerting(judge.hits("cloudtrail", {}), 0, 0))


def test_a_correlation_of_correlations_is_blind(tmp_path):
    first = (
        "title: inner\nname: inner\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 3}}\n"
    )
    rules = ruleset(tmp_path, "type: temporal, rules: [inner, a], timespan: 1m", f"---\n{first}")
    reasons = {each.title: why for each, why in blind(rules, {"cloudtrail": ["eventName"]}).items()}
    assert reasons == {"all": "a correlation of correlations: not evaluated"}


def test_a_correlation_is_blind_where_its_rules_or_its_groups_are(tmp_path):
    rules = ruleset(tmp_path, COUNT)
    assert [*blind(rules, {"cloudtrail": ["eventName"]}).values()] == ["cloudtrail records do not carry user"]
    assert not blind(rules, {"cloudtrail": ["eventName", "user"]})
    found = {each.title: why for each, why in blind(rules, {"kubernetes": ["verb"]}, of_log=True).items()}
    assert found["all"] == found["a"] == "the log has no cloudtrail records"


def test_rules_that_only_serve_do_not_alert_by_themselves(tmp_path):
    for generate, expected in ((False, [["b"], []]), (True, [["b"], ["a"]])):
        rules = ruleset(tmp_path, f"{COUNT}, generate: {str(generate).lower()}")
        judge = Judge(rules, ())
        titles = [
            [each.title for each in judge.alerting(judge.hits("cloudtrail", {"eventName": name, "user": "u"}), 0, 0)]
            for name in ("b", "a")
        ]
        assert titles == expected


def test_correlations_may_name_rules_of_other_files_by_id(tmp_path):
    identifier = "5f92fff9-82e2-48eb-8fc1-8b133556a551"
    (tmp_path / "z.yml").write_text(BASE.format(name="a").replace("name: a\n", f"id: {identifier}\n").rstrip("-\n"))
    (tmp_path / "a.yml").write_text(f"title: all\ncorrelation: {{{COUNT.replace('[a]', f'[{identifier}]')}}}\n")
    assert fired(load_rules(tmp_path), at(0, 1, 2)) == [False, False, True]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from("xy")), max_size=60),
    st.integers(1, 5),
    st.booleans(),
)
def test_counting_agrees_with_a_plain_count_over_the_window(tmp_path_factory, moments, least, ordered):
    rules = ruleset(tmp_path_factory.mktemp("r"), COUNT.replace("gte: 3", f"gte: {least}"))
    moments = sorted(moments) if ordered else moments
    expected, seen = [], {"x": deque(), "y": deque()}
    for second, user in moments:
        latest = max([*seen[user], second])
        seen[user].append(second)
        window = [each for each in seen[user] if latest - each <= 60]
        expected.append(len(window) >= least and latest - second <= 60)
    assert fired(rules, [(second, "a", user, "v") for second, user in moments]) == expected


ORDERED = "type: temporal_ordered, rules: [a, b, c], group-by: [user], timespan: 1m"
VALUES = "type: value_count, rules: [a], group-by: [user], timespan: 1m, condition: {gte: 2, field: value}"


@settings(max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(range(0, 150, 15)), st.sampled_from("abc")), max_size=40), st.booleans())
def test_rules_in_order_agree_with_a_search_of_the_window(tmp_path_factory, moments, ordered):
    rules = ruleset(tmp_path_factory.mktemp("r"), ORDERED)
    moments = sorted(moments) if ordered else moments
    expected, seen = [], []
    for second, name in moments:
        latest = max([*[each for each, _ in seen], second])
        if second >= latest - 60:
            seen.append((second, name))
        names = "".join(name for each, name in sorted(seen, key=lambda e: e[0]) if latest - each <= 60)
        expected.append(second >= latest - 60 and re.search("a.*b.*c", names) is not None)
    assert fired(rules, [(second, name, "u", "v") for second, name in moments]) == expected


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 150), st.sampled_from("vwxyz")), max_size=40),
    st.integers(1, 5),
    st.sampled_from(["gte", "gt", "eq"]),
)
def test_counting_values_agrees_with_a_set_over_the_window(tmp_path_factory, moments, least, op):
    rules = ruleset(tmp_path_factory.mktemp("r"), VALUES.replace("gte: 2", f"{op}: {least}"))
    expected, seen = [], []
    for second, value in moments:
        latest = max([*[each for each, _ in seen], second])
        seen.append((second, value))
        count = len({value for each, value in seen if latest - each <= 60})
        holds = {"gte": count >= least, "gt": count > least, "eq": count == least}[op]
        expected.append(holds and latest - second <= 60)
    assert fired(rules, [(second, "a", "u", value) for second, value in moments]) == expected


@pytest.mark.parametrize("correlation", [COUNT, VALUES, ORDERED.replace(", c", "")])
def test_a_clock_that_is_ahead_does_not_silence_its_group(tmp_path, correlation):
    ahead = [(10**7, "a", "u", "v", 0)]
    after = [(1 + 10 * i, "ab"[i % 2] if "ordered" in correlation else "a", "u", str(i)) for i in range(6)]
    assert fired(ruleset(tmp_path, correlation), [*ahead, *after])[-1]


@pytest.mark.parametrize(("correlation", "most"), [(COUNT, 4), (VALUES, 3), (ORDERED, 50)])
def test_a_group_remembers_what_its_condition_needs_and_no_more(tmp_path, monkeypatch, correlation, most):
    monkeypatch.setattr(correlations, "HELD", 50)
    (each,) = ruleset(tmp_path, correlation).correlations
    memory = Memory(each)
    for number in range(500):
        memory.fires(number, ("u",), (0,) if each.kind == "temporal_ordered" else (str(number),))
    (group,) = memory._groups.values()
    assert len(group._held[0] if each.kind == "temporal_ordered" else group._held) == most


def test_of_too_many_groups_the_one_that_rested_longest_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(correlations, "GROUPS", 3)
    rules = ruleset(tmp_path, COUNT)
    first = [*at(0, 1, user="x"), *at(2, user="y"), *at(3, user="z"), *at(4, user="x")]
    assert fired(rules, first) == [False, False, False, False, True]
    crowded = [*at(0, 1, user="x"), *at(2, user="y"), *at(3, user="z"), *at(4, user="w"), *at(5, user="x")]
    assert not any(fired(rules, crowded))
