"""Alerts as products write them: each kind points at the events that it is about."""

from __future__ import annotations

import csv
import gzip
import json

import pandas as pd
import pytest

import scopedrift as sd
from scopedrift.experiments.live.alert_files import read_alerts
from scopedrift.experiments.live.alert_formats import read, table

RULE = "Secret read"


def who(record):
    issuer = record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {})
    return issuer.get("arn") or record["userIdentity"].get("arn") or record["userIdentity"]["principalId"]


def ocsf(record, raised):
    data = {"metadata": {"uid": record["eventID"]}, "time": record["eventTime"]}
    return {
        "class_uid": 2004, "category_uid": 2, "activity_id": 1, "type_uid": 200401, "severity": "High",
        "time_dt": raised, "metadata": {"version": "1.3.0", "product": {"name": "siem"}}, "risk_score": 70,
        "finding_info": {"uid": "f-1", "title": RULE, "analytic": {"name": RULE, "type_id": 1}},
        "evidences": [{"data": data, "actor": {"user": {"uid": who(record)}}}],
    }  # fmt: skip


def elastic(record, raised):
    return {
        "_index": ".internal.alerts-security.alerts-default-000001", "_id": "a1b2",
        "_source": {
            "@timestamp": raised, "kibana.alert.rule.name": RULE, "kibana.alert.severity": "high",
            "kibana.alert.risk_score": 70, "kibana.alert.original_time": record["eventTime"],
            "kibana.alert.original_event.id": record["eventID"], "event": {"kind": "signal"},
            "user": {"name": "someone"},
        },
    }  # fmt: skip


def ecs(record, raised):
    return {
        "@timestamp": record["eventTime"], "event": {"kind": "alert", "id": record["eventID"], "created": raised},
        "rule": {"name": RULE}, "log": {"level": "high"}, "user": {"id": who(record)},
    }  # fmt: skip


def opensearch(record, raised):
    return {
        "detectorId": "d", "id": "f", "index": "trail", "timestamp": raised, "related_doc_ids": ["doc-1"],
        "queries": [{"id": "q", "name": RULE, "query": "*", "tags": ["high"]}],
        "document_list": [{"index": "trail", "id": "doc-1", "found": True, "document": json.dumps(record)}],
    }  # fmt: skip


def splunk(record, raised):
    return {
        "preview": False,
        "result": {"_time": raised, "rule_name": RULE, "urgency": "high", "orig_raw": json.dumps(record)},
    }  # fmt: skip


def guardduty(record, raised):
    return {
        "schemaVersion": "2.0", "id": "16afba5c5c43e07c9e3e5e2e544e95df", "type": RULE, "severity": 7,
        "createdAt": raised, "updatedAt": raised,
        "resource": {"resourceType": "AccessKey", "accessKeyDetails": {"principalId": who(record)}},
        "service": {
            "eventFirstSeen": record["eventTime"],
            "action": {"actionType": "AWS_API_CALL", "awsApiCallAction": {"api": record["eventName"]}},
        },
    }  # fmt: skip


def sarif(record, raised):
    result = {
        "ruleId": RULE,
        "level": "error",
        "message": {"text": RULE},
        "properties": {"time": raised, "eventId": record["eventID"]},
    }
    return {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "siem"}}, "results": [result]}]}


def zircolite(record, raised):
    return {"title": RULE, "id": "r", "sigmafile": "r.yml", "rule_level": "high", "count": 1, "matches": [record]}


def chainsaw(record, raised):
    document = {"kind": "json", "path": "trail.json", "data": record}
    return {"group": "Sigma", "document": document, "name": RULE, "level": "high", "timestamp": record["eventTime"]}


def record_with_rule(record, raised):
    return {**record, "rule": RULE, "level": "high"}


def plain(record, raised):
    return {"rule": RULE, "severity": "high", "evidence": [{"id": record["eventID"]}], "detected_at": raised}


KINDS = [ocsf, elastic, ecs, opensearch, splunk, guardduty, sarif, zircolite, chainsaw, record_with_rule, plain]
BY_TIME = {"guardduty"}


@pytest.fixture
def alerts(exported):
    """For each kind: an alert on every record of an incident."""
    pairs = [(exported.records[at], exported.hit(at)["alert_time"]) for at in exported.bad]
    return {kind.__name__: [kind(*pair) for pair in pairs] for kind in KINDS}


def test_every_kind_of_alert_is_judged_the_same(exported, alerts, write):
    files = {name: write(f"{name}.jsonl", rows) for name, rows in alerts.items()}
    found = sd.judge(exported.world, files)
    assert (found.cells["recall"] == 1.0).all() and len(found.cells) == len(KINDS)
    rows = found.tables["matching"].groupby("detector")["outcome"].apply(set)
    for name, outcomes in rows.items():
        expected = {"identity and time"} if name in BY_TIME else {"record id"}
        assert outcomes - {"repeats another alert", "of these: other events fit as well"} == expected, name
    assert set(found.tables["rules"]["rule"]) == {RULE}
    by_id = found.cells[~found.cells["detector"].isin(BY_TIME)]
    assert by_id["raw_alerts"].nunique() == 1 and by_id["false_positives"].max() == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_an_alert_says_of_itself_is_read(exported, kind):
    record = exported.records[exported.bad[0]]
    given = kind(record, "2026-01-09T12:00:00Z")
    (alert,) = read(given.get("_source") or given.get("result") or given)
    assert alert.rules == (RULE,)
    assert record["eventID"] in alert.records or alert.identity == (who(record),)
    assert alert.raised == 1_767_960_000_000_000 or kind in (zircolite, chainsaw, record_with_rule)


def test_every_entry_of_the_table_has_an_example_here(exported):
    record = exported.records[exported.bad[0]]
    given = [kind(record, "2026-01-09T12:00:00Z") for kind in KINDS]
    inner = [each.get("_source") or each.get("result") or each for each in given]
    used = {next(each.name for each in table().formats if each.recognises(one)) for one in inner}
    assert used == {each.name for each in table().formats}


def test_files_of_every_kind_hold_the_same_alerts(exported, tmp_path, write):
    hits = [exported.hit(at) for at in exported.bad]
    lines = write("lines.jsonl", hits)
    (tmp_path / "array.json").write_text(json.dumps(hits, indent=1))
    (tmp_path / "answer.json").write_text(json.dumps({"took": 3, "hits": {"hits": [{"_source": hit} for hit in hits]}}))
    (tmp_path / "zipped.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes()))
    for name, delimiter in (("comma.csv", ","), ("semicolon.csv", ";")):
        with (tmp_path / name).open("w", newline="") as file:
            rows = csv.DictWriter(file, list(hits[0]), delimiter=delimiter)
            rows.writeheader()
            rows.writerows(hits)
    pd.DataFrame(hits).to_parquet(tmp_path / "table.parquet")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.jsonl").write_bytes(lines.read_bytes())
    files = [
        "lines.jsonl",
        "array.json",
        "answer.json",
        "zipped.jsonl.gz",
        "comma.csv",
        "semicolon.csv",
        "table.parquet",
        "folder",
    ]
    found = sd.judge(exported.world, [tmp_path / name for name in files])
    assert len(found.cells) == len(files)
    for column in ("recall", "alerts", "raw_alerts", "time_to_detect_median_s"):
        assert found.cells[column].nunique() == 1, column
    assert found.tables["deliveries"]["alerts"].tolist() == [len(hits)] * len(files)


def test_a_field_of_a_csv_file_may_hold_several_ids(exported, tmp_path):
    one, two, three = (exported.records[at]["eventID"] for at in exported.bad[:3])
    for name, between in (("comma", ","), ("semicolon", "; "), ("blank", " "), ("line", "\n")):
        file = tmp_path / f"{name}.csv"
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([["rule", "event_ids"], [RULE, between.join([one, two, three])]])
        (alert,) = read_alerts([file]).alerts
        assert alert.records == {one, two, three}


@pytest.mark.parametrize("field", ["eventID", "evidence", "event_ids"])
@pytest.mark.parametrize("kind", [str, int])
def test_alerts_whose_ids_are_not_understood_stay_different_and_say_so(exported, write, field, kind):
    ids = [kind(each) for each in ("4711", "4712", "4713")]
    told = {"eventID": ids, "evidence": [[{"id": str(each)}] for each in ids], "event_ids": [[each] for each in ids]}
    at = "2026-01-09T12:00:00Z"
    hits = [{"rule": RULE, "raised": at, "user": "nobody", field: each} for each in told[field]]
    found = sd.judge(exported.world, write("hits.jsonl", [*hits, hits[0]]))
    rows = found.tables["matching"].set_index("outcome")
    assert rows["alerts"].to_dict() == {"nothing": 3, "repeats another alert": 1}
    assert "its ids look like none of an export: '4711'" in rows["example"]["nothing"]


def test_an_alert_without_any_id_names_no_record(exported, write):
    hits = write("hits.jsonl", [{"rule": RULE, "raised": "2026-01-09T12:00:00Z", "user": "nobody"}])
    (example,) = sd.judge(exported.world, hits).tables["matching"]["example"]
    assert "it names no record" in example


@pytest.mark.parametrize("moment", [1.76796e18, "1.76796e+18", 1.76796e9, "1767960000000.0"])
def test_times_as_tables_write_them_are_read(moment):
    (alert,) = read({"rule": RULE, "raised": moment, "user": "nobody"})
    assert alert.raised == 1_767_960_000_000_000 and not alert.odd_time


def test_times_that_cannot_be_read_are_counted_and_shown(exported, write):
    plain = [exported.hit(at) for at in exported.bad]
    odd = [{**exported.hit(at), "alert_time": "01/08/2026 10:05:34"} for at in exported.bad[:2]]
    rows = sd.judge(exported.world, write("hits.jsonl", [*plain, *odd])).tables["matching"].set_index("outcome")
    assert rows["alerts"]["of these: a time could not be read"] == 2
    example = rows["example"]["of these: a time could not be read"]
    assert f"line {len(plain) + 1}: '01/08/2026 10:05:34'" in example
    plainly = sd.judge(exported.world, write("plain.jsonl", plain)).tables["matching"]["outcome"]
    assert "of these: a time could not be read" not in set(plainly)


MAPPING = """
name: ours
records: incidents
columns:
  arrived: {path: opened, format: epoch_ms}
  time: {path: seen, format: iso}
  id: cause.record
  identity: cause.who
alert:
  rule: check
  score: weight
"""


def test_a_mapping_file_describes_any_other(exported, tmp_path):
    (tmp_path / "ours.yaml").write_text(MAPPING)
    listed = []
    for at in exported.bad:
        happened = int(exported.world.log.batch(at, at + 1)["time"][0])
        record = exported.records[at]
        cause = {"record": record["eventID"]} if at % 2 else {"who": who(record)}
        opened = happened // 1_000 + 90_000
        listed.append({"opened": opened, "seen": record["eventTime"], "cause": cause, "check": RULE, "weight": at % 5})
    (tmp_path / "ours.json").write_text(json.dumps({"incidents": listed}))
    found = sd.judge(exported.world, tmp_path / "ours.json", mapping=tmp_path / "ours.yaml")
    counts = found.tables["matching"].set_index("outcome")["alerts"]
    assert counts["record id"] + counts["identity and time"] == len(listed)
    assert found.metrics["recall"] == 1.0 and found.tables["deliveries"]["ranked"].item()
    assert found.tables["deliveries"]["timed"].item()
