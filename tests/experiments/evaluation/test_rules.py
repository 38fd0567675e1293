"""Per rule: true and false alarms, noise, what only it catches; blind is not silent.  Held against plain counts."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sigma")

from typer.testing import CliRunner

from scopedrift.detectors.adapters.sigma.records import judge
from scopedrift.detectors.adapters.sigma.ruleset import load_rules
from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.loading import load
from scopedrift.experiments.cli import app
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.rules import apart, noise, pooled_rules
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.experiments.evaluation.windows import Windows
from scopedrift.experiments.running.score import score
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.own_logs.inject import inject
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log

DATA = Path(__file__).parents[2] / "simulator" / "records" / "reading" / "data"
RULES = """
title: secrets read
name: secrets
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: GetSecretValue}, condition: s}
---
title: many secrets
level: high
correlation: {type: event_count, rules: [secrets], group-by: [userIdentity.arn], timespan: 1h, condition: {gte: 1}, generate: true}
---
title: lists of secrets
level: medium
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: ListSecrets}, condition: s}
---
title: never there
level: medium
logsource: {product: aws, service: cloudtrail}
detection: {s: {nowhere.at.all: x}, condition: s}
---
title: privileged
level: medium
logsource: {product: kubernetes, service: audit}
detection: {s: {verb: create}, condition: s}
---
title: quiet
level: medium
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: NobodyCallsThis}, condition: s}
"""  # noqa: E501


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(RULES)
    return path


@dataclass
class Operations(Detector):
    """A rule for each of some operations."""

    wanted: tuple[str, ...] = ("GetSecretValue", "ListSecrets", "AssumeRole")

    name = "operations"

    def fit(self, history, knowledge):
        self.matched = {name: [] for name in self.wanted}
        self.at = 0

    def score(self, batch):
        names = batch.text("operation")
        for row in np.flatnonzero(np.isin(names.astype(str), self.wanted)).tolist():
            self.matched[names[row]].append(self.at + row)
        self.at += len(batch)
        return np.isin(names.astype(str), self.wanted).astype(float)

    def parts(self):
        return [Part(name, "low", at) for name, at in self.matched.items()] + [Part("x", "low", (), "no such field")]


@pytest.fixture(scope="module")
def world():
    specs = [IncidentSpec(attack="token-theft", count=4), IncidentSpec(drift="eager-retry", count=2)]
    return inject(RealWorld.of("x", import_log(DATA / "invictus.json").log), specs, seed=3)[0]


def test_each_rule_is_counted_as_a_detector_of_its_own(world):
    found = combine([tables(evaluate(Operations(), world), world)])["rules"].set_index("rule")
    test = Windows.of(world.scenario, world.log).test
    frame = world.log.frame().iloc[test.start : test.stop].reset_index(drop=True)
    owner = world.truth.incident_of(test.start, test.stop)
    caught = {}
    for name in Operations().wanted:
        true = false = 0
        until, seen = {}, set()
        for row in np.flatnonzero(frame["operation"] == name).tolist():
            who, when = frame["identity"][row], frame["arrived"][row]
            if owner[row] >= 0 and world.truth.incidents[owner[row]].enough:
                seen.add(world.truth.incidents[owner[row]].id)
            if who not in until or when > until[who]:
                until[who] = when + pd.Timedelta(hours=1)
                true, false = true + (owner[row] >= 0), false + (owner[row] < 0)
        caught[name] = seen
        row = found.loc[name]
        assert (row["true_alarms"], row["false_alarms"], row["alerts"]) == (true, false, true + false)
        assert row["events"] == (frame["operation"] == name).sum()
        assert row["false_alarms_per_day"] == pytest.approx(false / test.days)
        assert set(row["caught"].split(", ")) - {""} == seen
    assert any(caught.values()) and found["alerts"].sum() > 0
    times = Counter(name for names in caught.values() for name in names)
    for name, names in caught.items():
        assert set(found.loc[name, "only"].split(", ")) - {""} == {each for each in names if times[each] == 1}
    assert found.loc["x", "status"] == "blind" and found.loc["x", "reason"] == "no such field"


def test_noise_ranks_share_the_better_place():
    assert noise([3, 0, 7, 3]) == pytest.approx([2, float("nan"), 1, 2], nan_ok=True)


def test_worlds_are_pooled():
    head = {"scenario": "s", "detector": "d", "rule": "r", "level": "low", "events": 2, "alerts": 2, "true_alarms": 1}
    silent = {"seed": 0, "status": "silent", "reason": "", "false_alarms": 0, "incidents": 1, "caught": "", "only": ""}
    fires = {"seed": 1, "status": "fires", "reason": "", "false_alarms": 3, "incidents": 2}
    rows = [{**head, **silent}, {**head, **fires, "caught": "a, b", "only": "a"}]
    cells = pd.DataFrame({"scenario": "s", "detector": "d", "seed": [0, 1], "test_days": [1.0, 2.0]})
    (row,) = pooled_rules(pd.DataFrame(rows), cells).to_dict("records")
    assert (row["status"], row["false_alarms"], row["false_alarms_per_day"]) == ("fires", 3, 1.0)
    assert (row["caught"], row["incidents"], row["only"], row["noise_rank"]) == (2, 3, "a (world 1)", 1.0)


TWINS = """
title: same
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: GetSecretValue}, condition: s}
---
title: same
id: 5f92fff9-82e2-48eb-8fc1-8b133556a551
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: AssumeRole}, condition: s}
"""


def test_rules_of_the_same_title_and_level_stay_apart(world, tmp_path):
    (tmp_path / "twins.yml").write_text(TWINS)
    evaluation = evaluate(load(f"sigma(rules={tmp_path})"), world)
    names = ["same (twins.yml)", "same (5f92fff9-82e2-48eb-8fc1-8b133556a551)"]
    found = combine([tables(evaluation, world)])
    test = Windows.of(world.scenario, world.log).test
    operations = Counter(world.log.frame()["operation"].iloc[test.start : test.stop])
    counts = [operations["GetSecretValue"], operations["AssumeRole"]]
    assert all(counts)
    for table in ("rules", "rule_summary"):
        assert dict(zip(found[table]["rule"], found[table]["events"], strict=True)) == dict(
            zip(names, counts, strict=True)
        )
    imported = import_log(DATA / "invictus.json")
    told = score(imported.log, [f"sigma(rules={tmp_path})"], records=imported).rules
    assert told["rule"].tolist() == names


def test_rules_without_any_difference_are_numbered():
    parts = [
        Part("a", "low"),
        Part("b", "low", key="f"),
        Part("a", "low"),
        Part("b", "low", key="f"),
        Part("a", "high"),
    ]
    assert [part.name for part in apart(parts)] == ["a #1", "b (f) #1", "a #2", "b (f) #2", "a"]


def originals():
    return json.loads((DATA / "invictus.json").read_text())["Records"]


def test_rules_over_imported_records_match_what_plain_python_finds(rules):
    imported = import_log(DATA / "invictus.json")
    judged = judge(load_rules(rules), imported)
    parts = {part.name: part for part in judged.parts()}
    names = [record["eventName"] for record in originals()]
    assert judged.records == len(names) == len(imported.log) and not judged.unjudged
    for rule, name in (("secrets read", "GetSecretValue"), ("lists of secrets", "ListSecrets")):
        assert len(parts[rule].matched) == names.count(name)
        assert {imported.original(at)["eventName"] for at in parts[rule].matched} <= {name}
    assert parts["many secrets"].matched == parts["secrets read"].matched != ()
    assert parts["quiet"] == Part("quiet", "medium", key="rules.yml")
    assert parts["never there"].blind == "cloudtrail records do not carry nowhere.at.all"
    assert parts["privileged"].blind == "the log has no kubernetes records"


def test_score_and_run_tell_every_rule(rules, tmp_path, monkeypatch, world):
    monkeypatch.chdir(tmp_path)
    detector = f"sigma(rules={rules})"
    scored = CliRunner().invoke(app, ["score", str(DATA / "invictus.json"), "--detector", detector, "--out", "scored"])
    assert scored.exit_code == 0, scored.output
    lines = {line.split("  ")[0]: line for line in scored.stdout.splitlines()}
    names = [record["eventName"] for record in originals()]
    assert lines["secrets read"].split()[3] == str(names.count("GetSecretValue"))
    assert lines["quiet"].endswith("silent")
    assert lines["never there"].endswith("blind: cloudtrail records do not carry nowhere.at.all")
    page = (tmp_path / "scored" / "report.html").read_text()
    assert 'id="rules-table"' in page and "do not carry nowhere.at.all" in page
    assert len(pd.read_parquet(tmp_path / "scored" / "tables" / "rules.parquet")) == 6

    world.save(tmp_path / "injected")
    arguments = ["run", "injected", "--detector", detector, "--no-track", "--out", "run", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = {row["rule"]: row for row in json.loads(done.stdout)["rule_summary"]}
    assert set(told) == {"secrets read", "many secrets", "lists of secrets", "never there", "privileged", "quiet"}
    assert told["never there"]["status"] == told["privileged"]["status"] == "blind"
    assert told["quiet"]["status"] == "silent" and told["secrets read"]["status"] == "fires"
    assert 'id="rules-table"' in (tmp_path / "run" / "report.html").read_text()
    assert "one real log" in (tmp_path / "run" / "report.html").read_text()


def record_at(told):
    """The record that a person finds who follows what an alert says of its place."""
    place, _, rest = told.partition(", byte ")
    offset, _, item = rest.partition(", record ")
    value, _ = json.JSONDecoder().raw_decode(Path(place).read_bytes()[int(offset) :].decode())
    return value["Records"][int(item or 1) - 1] if "Records" in value else value


def test_an_alert_says_where_its_record_is(tmp_path):
    shuffled = originals()[::-1]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in shuffled[:10]))
    (tmp_path / "b.json").write_text(json.dumps({"Records": shuffled[10:20]}))  # as delivered: cut out one by one
    (tmp_path / "c.json").write_text(json.dumps({"of": "one list", "Records": shuffled[20:]}))  # one value
    imported = import_log(tmp_path)
    places = [imported.whereabouts(position) for position in range(len(imported.log))]
    assert [record_at(place) for place in places] == [imported.original(position) for position in range(len(places))]
    assert sorted({Path(place.partition(",")[0]).name for place in places}) == ["a.jsonl", "b.json", "c.json"]
    found = score(imported.log, ["first-seen"], fit=0.2, records=imported).alerts
    assert len(found)
    for alert in found.to_dict("records"):
        record = record_at(alert["record"])
        assert record["eventName"] == alert["operation"]
        assert pd.Timestamp(record["eventTime"]) == alert["time"]


def test_a_file_that_is_no_rule_is_told_with_the_others(rules, tmp_path):
    (tmp_path / "good.yml").write_text(rules.read_text())
    (tmp_path / "broken.yml").write_text("title: [")
    imported = import_log(DATA / "invictus.json")
    told = score(imported.log, [f"sigma(rules={tmp_path})"], records=imported).rules.set_index("rule")
    assert len(told) == 7 and told.loc["broken.yml", "status"] == "blind"
    assert told.loc["broken.yml", "reason"].startswith("not read: ")


def test_files_that_change_under_way_are_told(rules, tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(record) + "\n" for record in originals()]
    path.write_text("".join(lines))
    imported = import_log(path)
    path.write_text("".join(lines[:-3]))
    with pytest.raises(LogError, match="3 records have disappeared since the import"):
        judge(load_rules(rules), imported)
    path.write_text("".join(lines[::-1]))
    with pytest.raises(LogError, match="has changed since the import"):
        judge(load_rules(rules), imported)


def test_a_pipeline_is_applied_to_the_rules_and_to_nothing_else(rules, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours.yml").write_text(
        "transformations:\n  - {id: all, type: field_name_mapping, mapping: {eventName: nowhere}}\n"
    )
    asked = ["score", str(DATA / "invictus.json"), "--pipeline", "ours.yml", "--json"]
    detector = ["--detector", f"sigma(rules={rules})", "--detector", "first-seen"]
    done = CliRunner().invoke(app, [*asked, *detector, "--out", "piped"])
    assert done.exit_code == 0, done.output
    told = {row["rule"]: row["reason"] for row in json.loads(done.stdout)["rules"]}
    assert told["secrets read"] == "cloudtrail records do not carry nowhere"
    refused = CliRunner().invoke(app, [*asked, "--detector", "first-seen", "--out", "none"])
    assert refused.exit_code == 2 and "expected a detector of Sigma rules" in refused.output
    assert not (tmp_path / "none").exists()
