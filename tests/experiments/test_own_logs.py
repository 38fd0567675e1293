"""Incidents in a real log, and its profile, from the command line: what is written, what is judged, what is refused."""

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from scopedrift.experiments.cli import main

DATA = Path(__file__).parents[1] / "simulator" / "records" / "reading" / "data"
TRAIL = DATA / "invictus.json"


@pytest.fixture
def scopedrift(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *given: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["scopedrift", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_detectors_are_judged_on_a_real_log_with_incidents(scopedrift, tmp_path):
    code, out, _ = scopedrift("inject", TRAIL, "--attack", "token-theft", "--count", 4, "--out", "injected", "--json")
    told = json.loads(out)
    assert code == 0 and told["events"] == told["background"] + told["injected"] and told["background"] == 27
    options = ("--detector", "first-seen", "--budget", "9/day", "--no-track", "--json")
    code, out, _ = scopedrift("run", "injected", *options)
    found = json.loads(out)
    assert code == 0 and found["alert_budget_per_day"] == 9
    rows = {row["detector"]: row for row in found["cells"]}
    assert rows["oracle"]["incidents"] == 4 and rows["oracle"]["recall"] == 1.0


def test_what_was_injected_and_what_could_not_be_is_told(scopedrift):
    code, out, _ = scopedrift("inject", TRAIL, "--attack", "token-theft", "--out", "injected")
    assert code == 0 and "token-theft-1" in out and "unchanged ones" in out
    assert re.search(r"Left out, because this log would not record them: .*s3 GetObject", out)


def test_pseudonyms_leave_no_name_behind(scopedrift, tmp_path):
    arguments = ("inject", TRAIL, "--attack", "token-theft", "--pseudonymise", "--out", "injected")
    code, out, err = scopedrift(*arguments)
    key = re.search(r"with the key (\w+)", err)[1]
    written = b"".join(path.read_bytes() for path in (tmp_path / "injected").iterdir())
    assert code == 0 and b"bert-jan" not in written and "bert-jan" not in out
    before = (tmp_path / "injected" / "manifest.json").read_text()
    scopedrift(*arguments, "--key", key)
    assert (tmp_path / "injected" / "manifest.json").read_text() == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("inject", "nowhere.json", "--attack", "token-theft"), "nowhere.json"),
        (("inject", TRAIL, "--attack", "tokn-theft"), "did you mean 'token-theft'"),
        (("inject", TRAIL), "nothing to inject"),
        (("inject", TRAIL, "--drift", "eager-retry", "--identity", "zoe"), "no identity 'zoe'"),
        (("inject", TRAIL, "--drift", "eager-retry", "--learn", "0.9"), "none for a test part"),
        (("inject", TRAIL, "--drift", "eager-retry", "--key", "k"), "--pseudonymise"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(scopedrift, tmp_path, given, said):
    code, _, err = scopedrift(*given, "--out", "result")
    assert code == 2 and said in err and "Traceback" not in err
    assert not (tmp_path / "result").exists()


def test_a_saved_world_is_run_as_it_is_and_refused_without_its_scenario(scopedrift, tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nhorizon: 30h\nwindows: {baseline: 12h, calibration: 12h}\n"
        "workloads: {serverless: {functions: 2}}\n"
    )
    assert scopedrift("simulate", "tiny.yaml", "--out", "log")[0] == 0
    assert json.loads((tmp_path / "log" / "truth.json").read_text())["incidents"] == []
    code, out, _ = scopedrift("run", "log", "--no-track", "--detector", "first-seen")
    assert code == 0 and "0 incidents in one simulated world" in out
    (tmp_path / "log" / "world.json").unlink()
    code, _, err = scopedrift("run", "log", "--no-track")
    assert code == 2 and "log: not a whole world" in err


def test_profile_writes_what_it_shows_and_a_twin_that_runs(scopedrift, tmp_path):
    code, out, _ = scopedrift("profile", TRAIL, "--out", "profile.yaml", "--twin", "twin.yaml")
    assert code == 0 and "events_per_day" in out and "The twin matches the log in" in out
    assert "bert-jan" in out
    for name in ("profile.yaml", "twin.yaml"):
        assert "bert-jan" not in (tmp_path / name).read_text()
    assert scopedrift("show", "twin.yaml")[0] == 0
    again = ("--out", "profile.yaml", "--twin", "twin.yaml", "--keep-names")
    assert scopedrift("profile", TRAIL, *again)[0] == 0  # in the place of its own files
    assert "stands for 'arn:aws:iam::123837392027:user/bert-jan'" in (tmp_path / "twin.yaml").read_text()


@pytest.mark.parametrize("option", ["--out", "--twin"])
def test_profile_overwrites_no_file_of_the_user(scopedrift, tmp_path, option):
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    code, out, err = scopedrift("profile", TRAIL, option, "mine.yaml")
    assert (code, out) == (2, "") and "mine.yaml is a file that scopedrift did not write" in err
    assert (tmp_path / "mine.yaml").read_text() == "name: mine\n"


def test_profile_shows_no_names_if_asked_to(scopedrift):
    code, out, err = scopedrift("profile", TRAIL, "--pseudonymise", "--key", "k", "--json")
    assert code == 0 and "bert-jan" not in out + err and json.loads(out)["statistics"]["identities"] > 1


@pytest.mark.parametrize(
    "given", [("nowhere.json",), (TRAIL, "--out", "profile.txt"), (TRAIL, "--twin", "."), (TRAIL, "--key", "k")]
)
def test_profile_refuses_in_one_message(scopedrift, given):
    code, out, err = scopedrift("profile", *given)
    assert (code, out) == (2, "") and err.startswith("scopedrift: ") and "Traceback" not in err


def test_score_shows_no_names_if_asked_to(scopedrift, tmp_path):
    (tmp_path / "trail.json").write_text(TRAIL.read_text().rstrip() + '\n{"eventTime": "bert-jan"}\n')
    options = ("--detector", "first-seen", "--pseudonymise", "--out", "alerts", "--json")
    code, out, err = scopedrift("score", "trail.json", *options)
    assert json.loads(out)["unreadable_records"] == 1 and "bert-jan" not in err
    written = b"".join(path.read_bytes() for path in (tmp_path / "alerts").rglob("*") if path.is_file())
    assert code == 0 and json.loads(out)["alerts"] and "with the key" in err
    assert "bert-jan" not in out and b"bert-jan" not in written


def test_an_injected_log_can_be_audited_and_too_little_is_said(scopedrift):
    assert scopedrift("inject", TRAIL, "--attack", "token-theft", "--count", 4, "--out", "injected")[0] == 0
    code, out, err = scopedrift("audit", "injected", "--json")
    rows = {row["check"]: row for row in json.loads(out)["rows"]}
    assert set(rows) == {"labels", "leaks", "words", "one-liners", "density"}
    assert rows["labels"]["verdict"] == rows["words"]["verdict"] == "pass"
    assert rows["leaks"]["verdict"] == "too small" and code == 1 and "leaks: too small" in err
    assert scopedrift("audit", "nothing-there")[0] == 2


def test_calls_that_nobody_makes_are_told_and_put_in_if_they_are_wanted(scopedrift):
    out = scopedrift("inject", TRAIL, "--attack", "codefinger", "--out", "plain")[1]
    assert "Left out, because nobody in this log uses them" in out and "giveaway" not in out
    out = scopedrift("inject", TRAIL, "--attack", "codefinger", "--new-calls", "--out", "loud")[1]
    assert "giveaway" in out and "--new-calls keeps them" not in out
