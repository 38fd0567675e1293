"""A product other than ours: pySigma's SQLite backend over an exported world, judged as our Sigma detector is."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pandas as pd
import pytest

pytest.importorskip("sigma.backends.sqlite")

import scopedrift as sd

RULES = """
title: Secret read
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  s: {eventSource: secretsmanager.amazonaws.com, eventName: GetSecretValue}
  condition: s
---
title: Refused to a session
id: 00000000-0000-4000-8000-000000000002
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  s: {errorCode|contains: [AccessDenied, Unauthorized], userIdentity.type: AssumedRole}
  condition: s
---
title: Something made, not in storage
id: 00000000-0000-4000-8000-000000000003
level: low
logsource: {product: aws, service: cloudtrail}
detection:
  s: {eventName|startswith: [Create, Put, Run]}
  f: {eventSource: s3.amazonaws.com}
  condition: s and not f
---
title: A role assumed
id: 00000000-0000-4000-8000-000000000004
level: informational
logsource: {product: aws, service: cloudtrail}
detection:
  s: {eventName|startswith: AssumeRole}
  condition: s
---
title: Never
id: 00000000-0000-4000-8000-000000000005
level: critical
logsource: {product: aws, service: cloudtrail}
detection:
  s: {eventName: DeleteTrail}
  condition: s
"""
FIELDS = ("eventID", "eventSource", "eventName", "errorCode", "userIdentity.type")
COUNTED = ["events", "alerts", "true_alarms", "false_alarms", "incidents", "caught", "only", "noise_rank"]


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def hits(exported, rules, tmp_path):
    """What a real database finds: a row for each rule and record."""
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    rows = [
        [record.get("userIdentity", {}).get("type") if "." in name else record.get(name) for name in FIELDS]
        for record in exported.records.values()
    ]
    found = []
    with contextlib.closing(sqlite3.connect(tmp_path / "siem.db")) as database:
        database.execute("CREATE TABLE logs ({})".format(", ".join(f'"{name}"' for name in FIELDS)))
        database.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * len(FIELDS))})", rows)
        database.commit()
        for rule in SigmaCollection.from_yaml(rules.read_text()):
            (query,) = sqliteBackend(collate_nocase=True).convert_rule(rule)
            for (record,) in database.execute(query.replace("*", "eventID", 1)):
                found.append({"rule": rule.title, "level": str(rule.level).lower(), "eventID": record})
    path = tmp_path / "hits.json"
    path.write_text(json.dumps(found))
    return path


def test_hits_of_a_database_count_as_those_of_our_own_detector(exported, rules, hits):
    found = sd.judge(exported.world, f"database={hits}", detectors=[f"sigma(rules={rules})"])
    table = found.tables["rules"]
    theirs = table[table["detector"] == "database"].set_index(["rule", "level"])[COUNTED].sort_index()
    ours = table[(table["detector"] != "database") & (table["status"] == "fires")]
    ours = ours.set_index(["rule", "level"])[COUNTED].sort_index()
    pd.testing.assert_frame_equal(theirs, ours)
    assert len(ours) >= 3 and (ours["events"] > 0).all() and (ours["true_alarms"] > 0).any()
    assert found.tables["matching"]["outcome"].tolist() == ["record id"]
    assert not found.tables["deliveries"]["timed"].item()
