"""Alerts of other systems are judged by the code that judges detectors, whatever order and files they come in."""

from __future__ import annotations

import json
import math
import random

import pandas as pd
import pytest

import scopedrift as sd
from scopedrift.detectors.builtin.first_seen import FirstSeen
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.timestamps import iso_microseconds
from scopedrift.simulator.records.writing.lookup import positions_of
from scopedrift.worlds import World

SAME = (
    *("recall", "precision", "f1", "detected", "incidents", "false_positives", "false_positives_per_day", "alerts"),
    *("raw_alerts", "duplicates", "detected_before_impact", "time_to_detect_median_s", "time_to_detect_median_events"),
    *("time_to_detect_restricted_mean_s", "false_positives_cold_start", "false_positives_announced"),
)


def by_detector(results, name):
    return results.cells.set_index("detector").loc[name]


def test_what_a_detector_flagged_gives_its_results_when_another_system_delivers_it(exported, tmp_path, write):
    world = exported.world.source
    own = evaluate(FirstSeen(), world, name="first-seen", budget_per_day=40.0)
    start = own.windows.test.start
    sd.export(exported.world, "ocsf", tmp_path / "ocsf")
    from scopedrift.simulator.records.formats import FORMATS
    from scopedrift.simulator.records.writing.naming import ExportNames

    identifier = FORMATS["ocsf"].writer(ExportNames.of(world.log)).identifier
    at = [int(row) + start for row in own.alerts.flagged]
    hits = [{"event_id": identifier(row), "raised": iso_microseconds(int(world.log.arrived[row]))} for row in at]
    found = sd.judge(exported.world, write("hits.jsonl", hits))
    assert own.metrics["detected"] > 1 < own.metrics["false_positives"]
    for name in SAME:
        assert found.metrics[name] == pytest.approx(own.metrics[name], nan_ok=True), name
    expected = tables(own, world)
    columns = ["identity", "opened_at", "closed_at", "events", "incident", "false_alarm", "cause", "cold_start"]
    pd.testing.assert_frame_equal(found.alerts[columns], expected["alerts"][columns])
    delays = ["incident", "detected", "detected_at", "delay_s", "flagged", "alerts", "before_impact"]
    pd.testing.assert_frame_equal(found.incidents[delays], expected["incidents"][delays])


def test_the_time_to_detect_is_that_of_the_alert(exported, tmp_path, write):
    times = {}
    for delay in (7_200.0, 10_800.0):  # records arrive sooner
        hits = [exported.hit(position, delay) for position in exported.bad]
        found = sd.judge(exported.world, write("hits.jsonl", hits))
        times[delay] = found.incidents.set_index("incident")["delay_s"]
        assert found.metrics["recall"] == 1.0
    assert (times[10_800.0] - times[7_200.0]).round(3).eq(3_600.0).all()


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (lambda hit, record: {**hit, "alert_time": record["eventTime"]}, "the time of what they are about"),
        (lambda hit, record: {**hit, "alert_time": "2026-06-01T00:00:00Z"}, "its alerts have one and the same time"),
        (
            lambda hit, record: {**hit, "alert_time": f"2026-06-01T00:{len(hit['rule']):02}:00Z"},
            "after the world ended",
        ),
        (lambda hit, record: {"eventID": hit["eventID"]}, "have no time"),
    ],
)
def test_times_that_say_nothing_of_the_delay_are_told(exported, tmp_path, write, raised, words):
    hits = [raised(exported.hit(position), exported.records[position]) for position in exported.bad]
    found = sd.judge(exported.world, write("hits.jsonl", hits))
    told = found.tables["deliveries"].iloc[0]
    assert not told["timed"] and words in told["words"]
    assert found.metrics["recall"] == 1.0 and any(told["words"][1:] in text for text in found.words)
    first = exported.world.log.arrived[exported.bad].min()
    assert found.incidents["detected_at"].min() == pd.Timestamp(first, unit="us", tz="UTC")


def test_alerts_that_cannot_be_counted_are_shown(exported, tmp_path, write):
    late = iso_microseconds(exported.world.scenario.end_us + 60_000_000)
    good = [exported.hit(position) for position in exported.bad]
    odd = [
        {"rule": "a", "eventID": "00000000-0000-4000-8000-000000000000", "alert_time": late},
        {"rule": "b", "identity": "nobody@example.com", "alert_time": late},
        {"rule": "c", "alert_time": late},
        exported.hit(exported.bad[0], -7_200.0),
        {**exported.hit(exported.bad[1]), "alert_time": late},
        good[0],
        "not an alert",
    ]
    found = sd.judge(exported.world, write("hits.jsonl", [*good, *odd]))
    counts = found.tables["matching"].set_index("outcome")["alerts"].to_dict()
    assert counts == {
        "record id": len(good) + 1,
        "nothing": 3,
        "raised before its record existed": 1,
        "of these: raised after the world ended": 1,
        "repeats another alert": 1,
        "could not be read": 1,
    }
    assert found.tables["deliveries"]["uncounted"].item() == 4
    assert any("4 of its" in text and "cannot be counted" in text for text in found.words)
    alone = sd.judge(exported.world, write("hits.jsonl", good))
    assert by_detector(found, "hits")[list(SAME)].equals(by_detector(alone, "hits")[list(SAME)])


def test_no_alert_is_about_records_that_do_not_exist_yet(exported, tmp_path, write):
    """One early alert for each incident, on something harmless and on all that the incident is going to do."""
    harmless = exported.records[exported.some(1)[0]]
    ids = [exported.records[position]["eventID"] for position in exported.bad]
    soon = exported.hit(exported.some(1)[0], 60.0)["alert_time"]
    cheat = {"rule": "future", "evidence": [harmless["eventID"], *ids], "alert_time": soon}
    found = sd.judge(exported.world, write("hits.jsonl", [cheat]))
    assert found.metrics["recall"] < 1.0
    counts = found.tables["matching"].set_index("outcome")["alerts"].to_dict()
    assert counts["of these: some of its records did not exist yet"] == 1


def test_no_alert_is_faster_than_its_record_and_one_odd_time_speaks_for_itself_alone(exported, tmp_path, write):
    arrived = pd.Series(exported.world.log.arrived[exported.bad], exported.bad)
    stamped = [{**exported.hit(each), "alert_time": exported.records[each]["eventTime"]} for each in exported.bad]
    end = iso_microseconds(exported.world.scenario.end_us - 1)
    odd = {"rule": "slow", "eventID": exported.records[exported.bad[0]]["eventID"], "alert_time": end}
    found = sd.judge(exported.world, {"all": write("a.jsonl", stamped), "odd": write("b.jsonl", [*stamped, odd])})
    delays = found.incidents.pivot(index="incident", columns="detector", values="detected_at")
    assert delays["all"].equals(delays["odd"])
    assert delays["all"].min() >= pd.Timestamp(arrived.min(), unit="us", tz="UTC")
    soon = [exported.hit(each, 2.0) for each in exported.bad]
    quick = sd.judge(exported.world, write("c.jsonl", soon)).incidents["detected_at"]
    assert quick.min() >= pd.Timestamp(arrived.min(), unit="us", tz="UTC")


def test_local_times_are_told_from_early_alerts(exported, tmp_path, write):
    hits = [exported.hit(position, -5 * 3600.0 + 60.0) for position in exported.bad]
    found = sd.judge(exported.world, write("hits.jsonl", hits))
    told = found.tables["deliveries"].iloc[0]
    assert not told["timed"] and "are the times UTC?" in told["words"] and found.metrics["recall"] == 1.0


def test_an_alert_on_several_identities_or_incidents_pays_for_each_and_says_so(exported, tmp_path, write):
    events = [exported.records[position]["eventID"] for position in exported.in_test]
    hit = {"rule": "everything", "evidence": events, "alert_time": iso_microseconds(exported.world.scenario.end_us - 1)}
    found = sd.judge(exported.world, write("hits.jsonl", [hit]))
    counts = found.tables["matching"].set_index("outcome")["alerts"]
    assert counts["several record ids"] == 1
    assert counts["of these: several identities"] == 1 and counts["of these: several incidents"] == 1
    assert found.metrics["recall"] == 1.0 and found.metrics["precision"] < 0.1


def test_scores_make_a_curve_and_without_them_there_is_none(exported, tmp_path, write):
    chosen = exported.some(2)
    bad = set(exported.bad)
    scored = [exported.hit(position, score=90 if position in bad else 10) for position in chosen]
    plain = [exported.hit(position) for position in chosen]
    found = sd.judge(
        exported.world,
        {"scored": write("a.jsonl", scored), "plain": write("b.jsonl", plain)},
        alert_budget=1.0,
    )
    assert len(found.curve("scored")) > 1 and len(found.curve("plain")) == 1
    assert by_detector(found, "scored")["recall_at_equal_alarms"] == 1.0
    assert math.isnan(by_detector(found, "plain")["recall_at_equal_alarms"])
    assert by_detector(found, "scored")["recall"] == by_detector(found, "plain")["recall"]
    assert any("plain" in text and "without a curve" in text for text in found.words)
    assert not any("scored" in text and "without a curve" in text for text in found.words)


def test_systems_are_paired_with_each_other_and_with_detectors_incident_by_incident(exported, tmp_path, write):
    half = exported.world.incidents["id"].tolist()[::2]
    owner = exported.world.truth["incident"].astype(str)
    mine = [exported.hit(position) for position in exported.bad if owner[position] in half]
    files = {"half": write("a.jsonl", mine)}
    files["all"] = write("b.jsonl", [exported.hit(position) for position in exported.bad])
    found = sd.judge(exported.world, files, detectors=["first-seen"])
    pairs = found.tables["paired"].set_index(["detector", "other"])
    caught = {name: set(rows["incident"][rows["detected"]]) for name, rows in found.incidents.groupby("detector")}
    for (name, other), row in pairs.iterrows():
        assert row["both"] == len(caught[name] & caught[other]) and row["only"] == len(caught[name] - caught[other])
        assert row[["both", "only", "only_other", "neither"]].sum() == row["incidents"]
    assert {("half", "all"), ("all", "half"), ("half", "first-seen")} == set(pairs.index) - {("all", "first-seen")}
    assert set(found.cells["detector"]) == {"half", "all", "first-seen", "never", "always", "random", "oracle"}


@pytest.mark.parametrize("seed", range(5))
def test_order_repetition_and_files_make_no_difference(exported, tmp_path, write, seed):
    rng = random.Random(seed)
    parts = rng.randint(1, 4)
    hits = [exported.hit(position, 60.0 + position % 7 * 600) for position in exported.some(3)]
    whole = sd.judge(exported.world, {"them": write("whole.jsonl", hits)})
    mixed = [*hits, *rng.choices(hits, k=rng.randint(0, 40))]
    rng.shuffle(mixed)
    files = [write(f"part-{at}.jsonl", mixed[at::parts]) for at in range(parts)]
    split = sd.judge(exported.world, [f"them={file}" for file in files])
    for name in set(whole.tables) - {"matching", "outside_alerts", "cells", "summary", "curves"}:
        pd.testing.assert_frame_equal(whole.tables[name], split.tables[name])
    timings = ["score_seconds", "fit_seconds", "measure_seconds"]
    pd.testing.assert_frame_equal(whole.cells.drop(columns=timings), split.cells.drop(columns=timings))
    pd.testing.assert_frame_equal(whole.table, split.table)
    counted = [each.tables["matching"].set_index("outcome")["alerts"] for each in (whole, split)]
    assert counted[0].equals(counted[1].drop("repeats another alert", errors="ignore"))


def test_hits_without_ids_match_by_identity_and_time(exported, tmp_path, write):
    """At most 2 % of the verdicts on alerts change."""
    chosen = exported.some(4, background=400, bad=400)
    hits = [exported.hit(position) for position in chosen]
    nameless = []
    for position in chosen:
        record = exported.records[position]
        who = record["userIdentity"]
        issuer = who.get("sessionContext", {}).get("sessionIssuer", {})
        alert = {"event_time": record["eventTime"], "eventName": record["eventName"], "rule": record["eventName"]}
        nameless.append({**alert, "identity": issuer.get("arn") or who.get("arn") or who["principalId"]})
    files = [f"ids={write('a.jsonl', hits)}", f"none={write('b.jsonl', nameless)}"]
    found = sd.judge(exported.world, files)
    rows = found.tables["outside_alerts"].groupby("detector")
    assert set(rows.get_group("none")["outcome"]) == {"identity and time"}
    by_id, by_time = (rows.get_group(name)["incident"].value_counts() for name in ("ids", "none"))
    told = {}
    for name, said in (("ids", hits), ("none", nameless)):
        lines = rows.get_group(name).set_index("place")["incident"]
        file = "a.jsonl" if name == "ids" else "b.jsonl"
        told[name] = [lines.get(f"{file}, line {at + 1}") for at in range(len(said))]
    pairs = [
        (one, two) for one, two in zip(told["ids"], told["none"], strict=True) if one is not None and two is not None
    ]
    changed = sum(one != two for one, two in pairs)
    assert len(pairs) > 300 and changed <= 0.02 * len(pairs), (by_id, by_time)


def test_names_of_systems(exported, tmp_path, write):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    hits = [exported.hit(position) for position in exported.bad]
    a, b = write("one/hits.jsonl", hits[::2]), write("two/hits.jsonl", hits[1::2])
    assert set(sd.judge(exported.world, a).cells["detector"]) == {"hits"}
    with pytest.raises(UsageError, match="both called 'hits'"):
        sd.judge(exported.world, [a, b])
    found = sd.judge(exported.world, f"siem={tmp_path}/*/hits.jsonl")
    assert found.tables["deliveries"]["alerts"].tolist() == [len(hits)]
    with pytest.raises(UsageError, match="no file has such a name"):
        sd.judge(exported.world, f"siem={tmp_path}/*.parquet")
    with pytest.raises(UsageError, match="name of a reference"):
        sd.judge(exported.world, {"random": a})
    with pytest.raises(UsageError, match="alerts and of a detector"):
        sd.judge(exported.world, {"rate": a}, detectors=["rate"])
    with pytest.raises(LogError, match="gone"):
        sd.judge(exported.world, tmp_path / "gone.jsonl")
    with pytest.raises(UsageError, match="expected files of alerts"):
        sd.judge(exported.world, [])


def test_the_command_writes_what_the_function_finds(exported, tmp_path, write, scopedrift):
    hits = write("hits.jsonl", [exported.hit(position) for position in exported.some(5)])
    done = scopedrift("judge", exported.folder / "world", hits, "--out", "out", "--no-track")
    assert done.code == 0 and "record id" in done.out
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert facts["alerts"] == {"hits": [str(hits)]} and facts["window_s"] == 300
    as_json = json.loads(scopedrift("judge", exported.folder / "world", hits, "--no-track", "--json").out)
    found = sd.judge(exported.world, hits)
    assert as_json["cells"][0]["recall"] == found.metrics["recall"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "How alerts were matched" in page and "hits.jsonl, line 1" in page
    saved = pd.read_parquet(tmp_path / "out" / "tables" / "outside_alerts.parquet")
    assert len(saved) == len(found.tables["outside_alerts"])


def test_a_real_log_with_incidents_is_a_world_too(exported, tmp_path, write):
    injected = sd.inject(exported.folder / "trail", [{"attack": "token-theft", "count": 3}], seed=1)
    world = World.load(injected.save(tmp_path / "injected"))
    sd.export(tmp_path / "injected", "cloudtrail", tmp_path / "out")
    raws = [json.loads(raw) for _, _, raw in sd.read_log(tmp_path / "out").imported.records()]
    known = positions_of(world.log, {raw["eventID"] for raw in raws})
    truth = world.truth
    bad = set(truth.index[truth["label"].isin(["attack", "scope_drift"])])
    hits = [{"eventID": raw["eventID"], "rule": "r"} for raw in raws if known[raw["eventID"]] in bad]
    found = sd.judge(tmp_path / "injected", write("hits.jsonl", hits))
    assert found.metrics["incidents"] > 0 and found.metrics["recall"] == found.metrics["precision"] == 1.0
    assert found.tables["matching"]["outcome"].tolist() == ["record id"]


@pytest.mark.parametrize("size", [2.0**60, 1e300, -1e300, 1.79e308])
def test_alerts_with_scores_of_any_size_all_count(exported, write, size):
    bad = exported.bad
    plain = sd.judge(exported.world, write("hits.jsonl", [exported.hit(at, score=1 + at % 2) for at in bad]))
    huge = sd.judge(
        exported.world, write("huge.jsonl", [exported.hit(at, score=size * (1 - at % 2 / 8)) for at in bad])
    )
    assert huge.metrics["recall"] == plain.metrics["recall"] == 1.0
    assert huge.metrics["raw_alerts"] == plain.metrics["raw_alerts"] > 0
