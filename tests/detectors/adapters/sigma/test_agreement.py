"""Rules judged as an independent engine judges them, and raw records as decoded ones."""

import contextlib
import json
import re
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("sigma")

from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.adapters.sigma.fields import found
from scopedrift.detectors.adapters.sigma.fields import number as number_of
from scopedrift.detectors.adapters.sigma.judge import Judge
from scopedrift.detectors.adapters.sigma.ruleset import load_rules
from scopedrift.detectors.adapters.sigma.screen import Screen
from scopedrift.scenarios.loader import load
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.reader import whole
from scopedrift.simulator.records.writing.exporter import export_log

RULES = Path(__file__).parent / "rules" / "cloudtrail.yml"
DATA = Path(__file__).parents[3] / "simulator" / "records" / "reading" / "data"
WORLD = """
name: agreement
horizon: 8d
windows: {baseline: 3d, calibration: 1d}
organisation: {projects: 3, tenants: 1}
load: 0.05
workloads: {serverless: {functions: 4}, training: {pipelines: 2}}
incidents: [{attack: eight-minute-intrusion}]
"""


@pytest.fixture(scope="module")
def loaded():
    return load_rules(RULES)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of real trails and of an export."""
    folder = tmp_path_factory.mktemp("trail")
    (folder / "scenario.yaml").write_text(WORLD)
    export_log(simulate(load(str(folder / "scenario.yaml")), 1).log, "cloudtrail", folder / "export")
    sources = [DATA / "invictus.json", DATA / "stratus.json", folder / "export"]
    return [raw for source in sources for _, _, raw in import_log(source).records()]


def flat(record, field):
    """What a field is in a table of texts: nothing, a number, or a text."""
    values = [value for value in found(record, tuple(field.split("."))) if value is not None]
    assert len(values) < 2, f"{field} is a list: it has no place in a table"
    value = values[0] if values else None
    return json.dumps(value) if isinstance(value, (bool, dict)) else value


@pytest.fixture(scope="module")
def independent(loaded, records):
    """The positions of the records that each rule matches, as SQLite finds them."""
    pytest.importorskip("sigma.backends.sqlite")
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    fields = sorted({name for rule in loaded.rules for name in rule.condition.fields})
    decoded = [json.loads(raw) for raw in records]
    rows = [[number, *(flat(record, name) for name in fields)] for number, record in enumerate(decoded)]
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.create_function("REGEXP", 2, lambda p, v: v is not None and re.search(p, str(v)) is not None)
        columns = ", ".join(f'"{name}"' for name in fields)
        database.execute(f"CREATE TABLE logs (number INTEGER, {columns})")
        database.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * (len(fields) + 1))})", rows)
        backend = sqliteBackend(collate_nocase=True)
        matched = {}
        for rule in SigmaCollection.from_yaml(RULES.read_text()):
            (query,) = backend.convert_rule(rule)
            matched[rule.title] = {row[0] for row in database.execute(query.replace("*", "number", 1))}
    return matched


def test_every_rule_matches_what_another_engine_finds(loaded, records, independent):
    judge = Judge(loaded, ())
    ours = {rule.title: set() for rule in loaded.rules}
    for number, raw in enumerate(records):
        for hit in judge.hits_of("cloudtrail", raw):
            ours[hit.rule.title].add(number)
    assert not loaded.rejected and ours.keys() == independent.keys()
    for title, matched in ours.items():
        assert matched == independent[title], title
    assert sum(map(bool, ours.values())) >= 18, "most rules match something: else agreement says little"


def test_raw_records_are_judged_as_decoded_ones(loaded, records):
    judge = Judge(loaded, ())
    for raw in records[:: max(len(records) // 500, 1)]:
        assert list(judge.hits_of("cloudtrail", raw)) == judge.hits("cloudtrail", json.loads(raw))


TEXT = st.sampled_from(
    ["CreateUser", "createuser", "GetObject", "a.b", "", "Root", "iam.amazonaws.com", "10.0.0.1", "7"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2_000_000) | st.sampled_from([2**63, 10**20, 10**400]) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "arn", "userName", "x.y"]), inner)
    ),
    max_leaves=4,
)
NAMES = [
    "eventName", "eventSource", "errorCode", "readOnly", "sourceIPAddress", "userAgent", "userIdentity", "eventType",
    "requestParameters", "additionalEventData", "userIdentity.type", "no",
]  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUE), min_size=1, max_size=12))
def test_whatever_a_record_is_like_it_is_judged_the_same(loaded, records):
    screen = Screen(loaded.rules, ())
    for raw in (json.dumps(record).encode() for record in records):
        record = whole(raw)
        matching = screen.matching(raw, lambda record=record: record)
        assert matching == tuple(rule for rule in loaded.rules if rule.matches(record))


@pytest.mark.parametrize("digits", [19, 20, 21, 400, 5_000])
def test_a_number_of_many_digits_is_judged_as_in_the_whole_record(tmp_path, digits):
    tests = ["contains: e", "startswith: '1'", "endswith: '0'", "gt: 5", "re: '^1e'"]
    (tmp_path / "rules.yml").write_text(
        "---\n".join(
            f"title: t{at}\nlogsource: {{product: aws, service: cloudtrail}}\n"
            f"detection:\n  s:\n    eventName|{test}\n  condition: s\n"
            for at, test in enumerate(tests)
        )
    )
    rules = load_rules(tmp_path / "rules.yml").rules
    assert len(rules) == len(tests)
    raw = b'{"eventName": 1%s}' % (b"0" * (digits - 1))
    record = whole(raw) or {}
    assert Screen(rules, ()).matching(raw, lambda: record) == tuple(rule for rule in rules if rule.matches(record))


def test_a_number_of_hundreds_of_digits_is_none() -> None:
    assert number_of(10**400) is None and number_of("1" * 400) == float("inf")


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"\xff", b'{"eventName": "GetObject", "a.b": 1}', b'{"a.b": {}}'])
def test_a_record_that_is_not_plain_may_match_any_rule(loaded, raw):
    screen = Screen([rule for rule in loaded.rules if rule.title == "buckets listed"], ())
    assert not screen.excludes(raw, ("eventName", "a.b"))
    assert screen.excludes(b'{"eventName": "GetObject", "eventSource": "s3"}', ("eventName",))


def test_a_part_that_is_always_new_is_forgotten_in_time(loaded, monkeypatch):
    monkeypatch.setattr("scopedrift.detectors.adapters.sigma.screen.MEMO", 10)
    screen = Screen(loaded.rules, ())
    for number in range(100):
        record = {"eventName": f"Name{number}"}
        assert not any(r.title == "nobody" for r in screen.matching(json.dumps(record).encode(), lambda r=record: r))
    (part,) = {part for part in screen._part_of.values() if part.path == ("eventName",)}
    assert len(part) <= 10


def test_the_fields_of_records_are_known_without_decoding_them(loaded):
    screen = Screen(loaded.rules, {"requestParameters.name"})
    for record in (
        {"eventName": "x", "userIdentity": {"type": "Root"}},
        {"requestParameters": {"name": None}},
        {"no": {"such": {"field": 1}}},
        {"additionalEventData": None},
    ):
        screen.matching(json.dumps(record).encode(), dict)
    assert {"eventName", "userIdentity.type", "requestParameters.name", "no.such.field"} <= screen.carried
    assert not {"userIdentity.arn", "additionalEventData.bytesTransferredOut", "errorCode"} & screen.carried
