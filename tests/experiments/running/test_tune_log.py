"""Tuning on a real log: threshold and expected alerts from parts of it; parameters only where the truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from scopedrift.detectors import loading
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.cli import app
from scopedrift.experiments.evaluation.alerts import alerts
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.running.score import score
from scopedrift.experiments.running.search import TuneError
from scopedrift.experiments.running.selection import asked_for
from scopedrift.experiments.running.tune_log import UNKNOWN, alert_rate, tune_log
from scopedrift.scenarios.durations import parse_duration
from scopedrift.scenarios.loader import load, override
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.log.truth import Truth
from scopedrift.simulator.own_logs.inject import inject
from scopedrift.simulator.own_logs.world import LogTimetable, RealWorld
from scopedrift.simulator.records.errors import LogError

SAMPLE = Path(__file__).parents[2] / "simulator" / "records" / "reading" / "data" / "invictus.json"


@pytest.fixture(scope="module")
def log():
    """A platform's log of ten days; nothing is known of it but its events."""
    small = {"incidents": [], "changes": [], "load": 0.02, "horizon": "10d"}
    scenario = override(load("quickstart"), {**small, "windows.baseline": "1d", "windows.calibration": "1d"})
    return simulate(scenario, 0).log


@pytest.fixture(scope="module")
def untold(log):
    return RealWorld(LogTimetable.of("log", log, 0.5, 0.2), 0, log, Truth()).at_budget(3.0)


def test_threshold_and_expected_alerts_are_those_of_an_evaluation(untold, tmp_path):
    untold = untold.at_budget(30.0)
    found = tune_log("rate", untold, tmp_path, trials=5)
    assert found.trials == () and found.missed is None and found.default is None
    assert found.parameters == loading.load("rate").parameters()
    done = evaluate(loading.load("rate"), untold)
    assert found.threshold == done.threshold
    test = done.windows.test
    batch = untold.log.batch(test.start, test.stop)
    raised = alerts(batch["arrived"], batch["identity"], done.test_scores(), done.threshold, done.cooldown_us)
    assert found.held_out.false_alarms == len(raised) > 0
    assert found.alerts_per_day.estimate == pytest.approx(len(raised) / test.days)
    assert found.alerts_per_day.low < found.alerts_per_day.estimate < found.alerts_per_day.high


def test_a_smaller_budget_gives_a_higher_threshold_and_no_more_alerts(untold, tmp_path):
    found = [tune_log("rate", untold.at_budget(budget), tmp_path, trials=1) for budget in (0.5, 3.0, 30.0)]
    thresholds, rates = [f.threshold for f in found], [f.alerts_per_day.estimate for f in found]
    assert thresholds == sorted(thresholds, reverse=True) and thresholds[0] > thresholds[2]
    assert rates == sorted(rates)


def test_what_is_written_can_be_deployed_and_owns_up_to_what_is_unknown(untold, tmp_path):
    value = tune_log("first-seen(memory=3)", untold, tmp_path, trials=1).deployed.model_dump(mode="json")
    detector = loading.load(value["detector"], value["parameters"])
    assert detector.parameters()["memory"] == 3 and value["alert_budget"] == "3/day" and value["will_miss"] == UNKNOWN
    assert {"estimate", "low", "high"} == set(value["expected_alerts_per_day"]) and value["learning_period"]


def test_what_was_tuned_raises_the_same_alerts_when_it_is_deployed_on_that_log(untold, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tune_log("first-seen(memory=3)", untold.at_budget(30.0), tmp_path, trials=1)
    assert found.held_out.false_alarms > 0
    for cooldown in ("1h", "12h"):
        Path("detector.yaml").write_text(found.deployed.text("Tuned.").replace("cooldown: 1h", f"cooldown: {cooldown}"))
        told = score(untold.log, [], fit=0.5, deploy=["detector.yaml"])
        name = f"first-seen({tmp_path.name})"
        assert not told.failed and set(told.alerts["detector"]) == {name}
        done = evaluate(loading.load("first-seen(memory=3)"), untold.at_budget(30.0))
        start = done.windows.calibration.start
        batch, span = untold.log.batch(start, len(untold.log)), parse_duration(cooldown)
        raised = alerts(batch["arrived"], batch["identity"], done.scores, done.threshold, span)
        opened = told.alerts["opened_at"].sort_values().astype("datetime64[us, UTC]").astype("int64")
        assert opened.tolist() == raised.opened_at.tolist()
        assert told.facts["deployed"][name]["alerts"] == len(raised) > 20, "not the default number of top alerts"
        assert told.facts["deployed"][name]["cooldown"] == cooldown


def test_two_tuned_alike_beside_one_that_is_not_tuned_keep_apart(untold, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tune_log("never", untold, tmp_path, trials=1)
    for folder in ("one/tuned", "two/tuned"):
        Path(folder).mkdir(parents=True)
        Path(folder, "detector.yaml").write_text(found.deployed.text("Tuned."))
    files = ["one/tuned/detector.yaml", "two/tuned/detector.yaml"]
    names = ["never(tuned)", files[1]]
    assert score(untold.log, ["never"], deploy=files).facts["detectors"] == ["never", *names]
    assert score(untold.log, files).facts["detectors"] == names
    assert asked_for(files) == names
    with pytest.raises(SpecError, match="cannot deploy 'never': expected a file that `scopedrift tune` writes"):
        score(untold.log, [], deploy=["never"])


@pytest.fixture(scope="module")
def told(log):
    specs = [IncidentSpec(attack=name, count=4) for name in ("token-theft", "rogue-job", "codefinger")]
    return inject(RealWorld.of("log", log), specs, seed=1)[0].at_budget(3.0)


def test_parameters_are_searched_on_some_incidents_and_judged_on_later_ones(told, tmp_path):
    found = tune_log("first-seen", told, tmp_path, trials=4)
    assert len(found.trials) == 4 and found.missed is not None and found.default is not None
    begins = sorted(i.first_observable_at for i in told.truth.incidents)
    assert found.held_out.incidents == len([b for b in begins if b >= begins[len(begins) // 2]])
    best = max((t for t in found.trials if t.value == t.value), key=lambda trial: trial.value)
    assert all(found.parameters[name] == value for name, value in best.parameters.items())
    done = evaluate(loading.load("first-seen", found.parameters), told)
    late = [d for d in done.matching.detections if d.incident.first_observable_at >= begins[len(begins) // 2]]
    assert (found.held_out.detected, found.threshold) == (sum(d.detected for d in late), done.threshold)


def test_one_incident_is_too_few(log, tmp_path):
    world = inject(RealWorld.of("x", log), [IncidentSpec(attack="token-theft", count=1)], seed=0)[0]
    with pytest.raises(TuneError, match="too few"):
        tune_log("first-seen", world, tmp_path, trials=1)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0.01, 40))
def test_the_interval_holds_the_estimate_and_is_never_certain(places, days):
    opened = np.array(sorted(int(place * days * DAY * 0.999) for place in places), np.int64)
    found = alert_rate(opened, 0, int(days * DAY))
    assert found.low <= found.estimate < found.high and found.estimate == pytest.approx(len(places) / days, rel=1e-6)


def test_the_interval_is_that_of_poisson_for_few_days():
    found = alert_rate(np.array([1, 2, 3]), 0, DAY)
    assert (found.low, found.high) == (pytest.approx(0.6187, abs=1e-3), pytest.approx(8.7673, abs=1e-3))


@pytest.mark.parametrize("wrong", [["1970-01-01"], ["2036-01-01"], ["1970-01-01", "2099-01-01"]])
def test_a_wrong_clock_is_no_part_of_a_log(log, wrong):
    columns = {name: np.asarray(values) for name, values in log.batch(0, len(log)).columns.items()}
    rows = np.concatenate([np.arange(len(log)), np.zeros(len(wrong), np.int64)])
    columns = {name: values[rows] for name, values in columns.items()}
    columns["arrived"][len(log) :] = np.array(wrong, "datetime64[us]").astype(np.int64)
    columns["time"] = columns["arrived"]
    order = np.argsort(columns["arrived"], kind="stable")
    stretched = EventLog.from_columns({n: v[order] for n, v in columns.items()}, log.vocabulary, {})
    with pytest.raises(LogError, match=rf"1 of its {len(stretched)} events lie [\d,]+ days (before|after) all others"):
        LogTimetable.of("log", stretched, 0.5, 0.2)


def test_the_command_tunes_on_a_log_and_says_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    done = run(app, ["tune", "first-seen", str(SAMPLE), "--budget", "1/day", "--out", "t", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["will_miss"] is None and Path(told["path"]).is_file()
    done = run(app, ["score", str(SAMPLE), "--deploy", "t/detector.yaml", "--out", "a", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["detectors"] == ["first-seen(t)"]
    assert facts["deployed"]["first-seen(t)"]["threshold"] == told["threshold"]
    Path("other.yaml").write_text("name: tiny\n")
    for wrong in (["--deploy", "other.yaml"], ["--detector", "other.yaml"], ["--deploy", "rate"]):
        done = run(app, ["score", str(SAMPLE), *wrong])
        assert done.exit_code == 2 and "expected a file that `scopedrift tune` writes" in done.output
    assert run(app, ["tune", "first-seen", str(SAMPLE), "--budget", "often"]).exit_code == 2
    assert run(app, ["tune", "first-seen", str(SAMPLE), "--learn", "0.9", "--calibrate", "0.9"]).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert run(app, ["tune", "first-seen", "empty"]).exit_code == 2
    assert run(app, ["tune", "nobody", str(SAMPLE)]).exit_code == 2
    assert not (tmp_path / "runs" / "tune-nobody-invictus-json" / "detector.yaml").exists()
