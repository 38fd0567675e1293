"""Detectors on a log without ground truth: what is learned, what is scored, and why an alert was raised."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from scopedrift.detectors import Detector, loading
from scopedrift.experiments.cli import app
from scopedrift.experiments.running.logs import read_log
from scopedrift.experiments.running.score import score
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, HOUR, Vocabulary
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.row_builder import Codes


def log_of(times, operations=None, identities=None):
    """A log of the given times (microseconds), with texts."""
    count = len(times)
    names = {"operation": operations or ["Get"] * count, "identity": identities or ["ann"] * count}
    codes = {name: Codes() for name in names}
    columns = {name: np.array([codes[name][text] for text in texts]) for name, texts in names.items()}
    moments = np.array(times)
    texts = {name: code.texts for name, code in codes.items()}
    return EventLog.from_columns({"time": moments, "arrived": moments, **columns}, Vocabulary(texts))


class Fitted(Detector):
    """Scores an event by how many it learned from; tells its identity twice."""

    def fit(self, history, knowledge):
        self.learned = len(history)

    def score(self, batch):
        return (batch["operation"] != 0).astype(float) * self.learned

    def explain(self, batch, row):
        return f"member: {batch.text('identity')[row]}: odd"


@pytest.fixture
def fitted(monkeypatch):
    monkeypatch.setattr(loading, "load", lambda spec, parameters=None: Fitted())


def test_the_first_part_is_a_share_of_the_events_whatever_the_clock_says(fitted):
    times = [*range(0, 90 * HOUR, HOUR), *(10_000 * DAY + i for i in range(10))]
    operations = ["Get"] * 95 + ["Put"] * 5
    found = score(log_of(times, operations), ["x"], fit=0.5)
    assert (found.facts["learned"], found.facts["scored"]) == (50, 50)
    assert found.facts["scored_from"].startswith("1970-01-03T02:00")
    assert found.alerts["score"].tolist() == [50.0]
    assert found.alerts["events"].tolist() == [5]


@pytest.mark.parametrize(("count", "fit", "learned"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (100, 0.99, 99)])
def test_something_is_learned_and_something_is_scored(fitted, count, fit, learned):
    facts = score(log_of(list(range(count))), ["x"], fit=fit).facts
    assert (facts["learned"], facts["scored"]) == (learned, count - learned)


def test_a_reason_does_not_repeat_the_identity_beside_it(fitted):
    found = score(log_of([0, 1, 2, 3], ["Get", "Get", "Get", "Put"]), ["x"])
    assert found.alerts.iloc[0][["identity", "operation", "reason"]].tolist() == ["ann", "Put", "member: odd"]


def test_what_scores_no_higher_than_most_events_is_no_alert(monkeypatch):
    class ByCode(Detector):
        def score(self, batch):
            return batch["operation"].astype(float)

    monkeypatch.setattr(loading, "load", lambda spec, parameters=None: ByCode())
    log = log_of(list(range(10)), list("abbbbbbbcc"), [f"id-{i}" for i in range(10)])
    found = score(log, ["x"], fit=0.1)
    assert found.alerts["operation"].tolist() == ["c", "c"]
    assert len(score(log_of([0, 1, 2], list("abb"), list("xyz")), ["x"], fit=0.1).alerts) == 0, "nothing stands out"


def test_a_detector_that_abstains_on_everything_is_told(tmp_path):
    (tmp_path / "silent.py").write_text("""
from scopedrift.detectors import Detector, loading

class Silent(Detector):
    def score(self, batch):
        return [float("nan")] * len(batch)
""")
    log_of([0, 1, 2, 3], ["Get", "Get", "Get", "Put"]).save(tmp_path / "log")
    wanted = ["--detector", str(tmp_path / "silent.py"), "--detector", "first-seen", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["score", str(tmp_path / "log"), *wanted])
    assert done.exit_code == 0, done.output
    said = "These detectors abstained on every event:"
    assert said in " ".join(done.stdout.split()) and "RuntimeWarning" not in done.stderr
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_a_detector_that_fails_costs_only_itself(monkeypatch):
    class Broken(Detector):
        def score(self, batch):
            raise ZeroDivisionError("odd")

    monkeypatch.setattr(loading, "load", lambda spec, parameters=None: Broken() if spec == "broken" else Fitted())
    found = score(log_of([0, 1, 2, 3], ["Get", "Get", "Get", "Put"]), ["broken", "good"])
    assert "ZeroDivisionError: odd" in found.failed["broken"]
    assert found.alerts["detector"].tolist() == ["good"]


def test_a_log_by_format_and_by_mapping(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({"at": "2024-03-01T01:00:00Z", "who": "ann"}))
    (tmp_path / "map.yaml").write_text("columns: {time: at, identity: who}\n")
    with pytest.raises(LogError, match="no known kind"):
        read_log(tmp_path / "log.json")
    log, imported = read_log(tmp_path / "log.json", mapping=tmp_path / "map.yaml")
    assert log.frame()["identity"].tolist() == ["ann"] and imported.report.events == 1
    with pytest.raises(LogError, match="unknown format"):
        read_log(tmp_path / "log.json", format="syslog")


def test_a_mapping_file_on_the_command_line(tmp_path):
    rows = [{"at": f"2024-03-01T01:{i:02d}:00Z", "who": "ann", "what": "Get" if i < 19 else "Drop"} for i in range(20)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "map.yaml").write_text("columns: {time: at, identity: who, operation: what}\n")
    options = ["--mapping", tmp_path / "map.yaml", "--detector", "first-seen", "--out", tmp_path / "out", "--json"]
    done = CliRunner().invoke(app, ["score", str(tmp_path / "log.jsonl"), *map(str, options)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["learned"], found["scored"], found["alerts"][0]["operation"]) == (10, 10, "Drop")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "fitted on the first 10" in page and "too few to learn what is usual" in page
    done = CliRunner().invoke(app, ["score", str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "other")])
    assert done.exit_code == 2 and "no known kind of audit record" in done.stderr
