"""The command line, from outside: what it prints, where, with which exit code, and what it leaves behind."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scopedrift.experiments.cli.output import print_json, print_table, printable
from scopedrift.scenarios import catalogue

CLI = [sys.executable, "-m", "scopedrift"]
TINY = """
name: tiny
horizon: 36h
windows: {baseline: 12h, calibration: 12h}
organisation: {projects: 3, tenants: 2}
workloads:
  serverless: {functions: 10}
  training: {pipelines: 1}
incidents:
  - {attack: token-theft, count: 8, strength: 0.3}
"""

BROKEN_DETECTOR = '''
from scopedrift.detectors import Detector

class Broken(Detector):
    """Always raises."""

    def score(self, batch):
        raise RuntimeError("it broke \\x1b[31m")
'''


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def cloudtrail(count: int) -> list[dict[str, Any]]:
    """Audit records, one a minute; the last ones are of a new kind."""
    return [
        {
            "eventVersion": "1.08",
            "eventID": f"00000000-0000-0000-0000-{i:012d}",
            "eventTime": f"2024-03-01T{i // 60:02d}:{i % 60:02d}:00Z",
            "eventSource": "s3.amazonaws.com" if i < count - 2 else "secretsmanager.amazonaws.com",
            "eventName": "GetObject" if i < count - 2 else "GetSecretValue",
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "192.0.2.7",
            "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/train/i-0"},
            "requestParameters": {"bucketName": "data"},
        }
        for i in range(count)
    ]


def test_help_answers_without_loading_what_commands_work_with():
    command = [sys.executable, "-X", "importtime", *CLI[1:], "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "simulate" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"distributed", "matplotlib", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "simpy"}


def test_help_imports_nothing_heavy():
    script = "import sys; from scopedrift.experiments import cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "pydantic", "simpy", "mlflow", "matplotlib", "scipy"} & set(done.stdout.split())


@pytest.mark.usefixtures("all_figures")
def test_run_prints_the_table_and_leaves_report_tables_and_tracked_runs(scopedrift, tiny, tmp_path):
    done = scopedrift("run", tiny, "--seeds", 2, "--detector", "first-seen", "--detector", "rate", "--track-cells")
    assert done.code == 0, done.err
    rows = {line.split()[0] for line in done.out.splitlines() if line}
    assert {"first-seen", "rate", "never", "random", "always", "oracle"} <= rows
    assert "scopedrift ui" in done.out
    (place,) = (tmp_path / "runs").glob("tiny-*")
    assert str(place.relative_to(tmp_path) / "report.html") in done.out
    assert (place / "report.html").stat().st_size > 10_000
    cells = pd.read_parquet(place / "tables" / "cells.parquet")
    assert len(cells) == 2 * 6
    assert set(cells["status"]) == {"ok"}
    oracle = cells[cells["detector"] == "oracle"]
    assert (oracle["recall"] == 1).all() and (oracle["precision"] == 1).all()
    never = cells[cells["detector"] == "never"]
    assert (never["recall"] == 0).all() and (never["false_positives"] == 0).all()
    assert not list((tmp_path / "runs").glob(".*")), "temporary folders stay behind"

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("scopedrift")
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.info.status == "FINISHED"
    assert {"report.html", "tables", "figures"} <= {each.path for each in client.list_artifacts(parent.info.run_id)}
    nested = {r.data.tags["detector"]: r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id}
    assert nested["oracle"].data.metrics["recall"] == 1.0
    assert 0.0 < nested["oracle"].data.metrics["recall_low"] < nested["oracle"].data.metrics["recall_high"] == 1.0
    assert nested["never"].data.metrics["recall"] == 0.0
    assert nested["first-seen"].data.metrics["false_positives_per_day"] >= 0
    assert nested["first-seen"].inputs.dataset_inputs
    assert len(runs) == 1 + 6 + 12


def test_json_is_all_that_reaches_stdout(scopedrift, tiny, tmp_path):
    done = scopedrift("run", tiny, "--seeds", 1, "--detector", "rate", "--no-track", "--json", "--out", "result")
    found = json.loads(done.out)
    assert done.code == 0
    assert {row["detector"] for row in found["summary"]} == {"rate", "never", "random", "always", "oracle"}
    assert found["report"] == "result/report.html"
    assert len(found["worlds"][0]["digest"]) == 64
    assert not (tmp_path / "runs").exists(), "--no-track writes no database"


def test_a_failing_detector_costs_its_cell_and_the_exit_code(scopedrift, tiny, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN_DETECTOR)
    done = scopedrift("run", tiny, "--seeds", 1, "--detector", "./broken.py", "--out", "result", "--no-track")
    assert done.code == 1
    assert "Broken failed on seed 0" in done.err and "it broke" in done.err
    assert "\x1b" not in done.out + done.err
    assert "Traceback" not in done.err
    cells = pd.read_parquet(tmp_path / "result" / "tables" / "cells.parquet").set_index("detector")
    assert cells.loc["Broken", "status"] == "failed"
    assert cells.loc["oracle", "recall"] == 1


def test_the_budget_can_be_overridden(scopedrift, tiny):
    wide = scopedrift("run", tiny, "--seeds", 1, "--detector", "random", "--no-track", "--json", "--budget", "48/day")
    (cell,) = (row for row in json.loads(wide.out)["cells"] if row["detector"] == "random")
    assert cell["budget_per_day"] == 48.0
    assert cell["alerts"] > 5
    assert scopedrift("run", tiny, "--budget", "often").code == 2


def test_simulate_says_how_much_and_which(scopedrift, tiny, tmp_path):
    first = json.loads(scopedrift("simulate", tiny, "--out", "a", "--seed", 7, "--json").out)
    again = json.loads(scopedrift("simulate", tiny, "--out", "a", "--seed", 7, "--json").out)
    other = json.loads(scopedrift("simulate", tiny, "--out", "b", "--seed", 8, "--json").out)
    assert first["digest"] == again["digest"] != other["digest"]
    assert first["events"] > 1000
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["digest"] == first["digest"]
    assert f"digest {first['digest']}" in scopedrift("simulate", tiny, "--out", "a", "--seed", 7).out


@pytest.mark.parametrize("pack", [False, True])
def test_score_reads_real_records_and_reports_the_top_alerts(scopedrift, tmp_path, pack):
    text = json.dumps({"Records": cloudtrail(120)}).encode()
    log = tmp_path / ("trail.json.gz" if pack else "trail.json")
    log.write_bytes(gzip.compress(text) if pack else text)
    done = scopedrift("score", log, "--detector", "first-seen", "--out", "result")
    assert done.code == 0, done.err
    assert "120 events" in done.out
    assert "GetSecretValue" in done.out
    assert (tmp_path / "result" / "report.html").is_file()
    found = json.loads(scopedrift("score", log, "--detector", "first-seen", "--json").out)
    assert found["learned"] + found["scored"] == 120
    assert found["alerts"][0]["operation"] == "GetSecretValue"
    assert found["alerts"][0]["time"].startswith("2024-03-01T01:58")


def test_score_counts_and_shows_what_cannot_be_read(scopedrift, tmp_path):
    lines = [json.dumps(record) for record in cloudtrail(30)]
    (tmp_path / "trail.jsonl").write_text("\n".join([*lines[:15], '{"eventTime": "yesterday"', *lines[15:]]) + "\n")
    done = scopedrift("score", "trail.jsonl", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["events"], found["unreadable_records"]) == (30, 1)
    assert "trail.jsonl, line 16" in done.err


def test_score_keeps_to_the_number_of_alerts_even_in_a_tie(scopedrift, tmp_path):
    (tmp_path / "same.py").write_text(
        "from scopedrift.detectors import Detector\n\nclass Same(Detector):\n"
        "    def score(self, batch):\n        return [float(n % 2) for n in range(len(batch))]\n"
    )
    records = cloudtrail(400)
    for i, record in enumerate(records):
        record["userIdentity"]["arn"] = f"arn:aws:sts::111122223333:assumed-role/role-{i}/s"
    (tmp_path / "trail.json").write_text(json.dumps(records))
    found = json.loads(scopedrift("score", "trail.json", "--detector", "./same.py", "--top", 7, "--json").out)
    assert len(found["alerts"]) == 7
    assert {alert["score"] for alert in found["alerts"]} == {1.0}
    times = [alert["opened_at"] for alert in found["alerts"]]
    assert times == sorted(times)


def test_score_takes_a_simulated_log(scopedrift, tiny):
    scopedrift("simulate", tiny, "--out", "log")
    found = json.loads(scopedrift("score", "log", "--detector", "rate", "--json").out)
    assert found["events"] == found["learned"] + found["scored"] > 1000


def test_list_and_show(scopedrift):
    everything = json.loads(scopedrift("list", "--json").out)
    assert {"quickstart", "core-week"} <= set(everything["scenarios"])
    assert {"first-seen", "oracle"} <= set(everything["detectors"])
    kinds = {"scenarios", "detectors", "attacks", "drifts", "changes", "techniques", "workloads", "suites"}
    assert set(everything) == kinds
    for kind, things in everything.items():
        assert things, f"there are no {kind}"
        listed = scopedrift("list", kind).out
        for name in things:
            assert name in listed
            shown = scopedrift("show", name)
            assert shown.code == 0, shown.err
            assert json.loads(scopedrift("show", name, "--json").out)
    assert "horizon: 14d" in scopedrift("show", "quickstart").out


def test_new_detector_passes_check_and_runs(scopedrift, tiny, tmp_path):
    assert scopedrift("new", "detector", "my-own").code == 0
    assert scopedrift("check", "./my_own.py").code == 0
    done = scopedrift("run", tiny, "--seeds", 1, "--detector", "./my_own.py", "--no-track", "--json")
    assert "MyOwn" in json.loads(done.out)["detectors"]
    before = (tmp_path / "my_own.py").read_text()
    again = scopedrift("new", "detector", "my-own")
    assert again.code == 2 and "already exists" in again.err
    assert (tmp_path / "my_own.py").read_text() == before


def test_check_fails_a_broken_detector(scopedrift, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN_DETECTOR)
    done = scopedrift("check", "./broken.py")
    assert done.code == 1
    assert "FAILED" in done.out and "it broke" in done.err
    assert scopedrift("check", "./broken.py", "--json").code == 1


BAD = {
    "no such scenario": ("run", "nonsense"),
    "close to a name": ("run", "quickstrat"),
    "no such file": ("run", "./nowhere.yaml"),
    "misspelt key": ("run", "misspelt.yaml"),
    "no YAML": ("run", "noise.yaml"),
    "no such detector": ("run", "tiny.yaml", "--detector", "first-sean"),
    "wrong parameter": ("run", "tiny.yaml", "--detector", "rate(speed=3)"),
    "detector file that raises": ("run", "tiny.yaml", "--detector", "./raises.py"),
    "no such log": ("score", "nowhere.json"),
    "empty log": ("score", "empty.json"),
    "empty folder": ("score", "hollow"),
    "truncated gzip": ("score", "cut.json.gz"),
    "log of noise": ("score", "noise.json"),
    "nothing to show": ("show", "nonsense"),
    "nothing tracked": ("ui",),
    "foreign folder": ("run", "tiny.yaml", "--out", "mine"),
    "foreign folder for a log": ("simulate", "tiny.yaml", "--out", "mine"),
    "file in the way": ("simulate", "tiny.yaml", "--out", "noise.yaml"),
    "folder that cannot be made": ("simulate", "tiny.yaml", "--out", "noise.yaml/inside"),
    "no such command": ("simulat", "tiny.yaml"),
    "not a number": ("run", "tiny.yaml", "--seeds", "many"),
    "no seeds": ("run", "tiny.yaml", "--seeds", "0"),
    "name that is no name": ("new", "detector", "../x"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_message_and_exit_code_2(scopedrift, tiny, tmp_path, arguments):
    (tmp_path / "misspelt.yaml").write_text(TINY + "evaluaton: {cooldown: 1h}\n")
    (tmp_path / "noise.yaml").write_bytes(b"\x00\xff: [")
    (tmp_path / "noise.json").write_bytes(os.urandom(500))
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "empty.json").touch()
    (tmp_path / "hollow").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(json.dumps(cloudtrail(300)).encode())[:60])
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    done = scopedrift(*arguments)
    assert done.code == 2, done
    assert done.err.strip()
    assert "Traceback" not in done.err + done.out
    assert len(done.err.splitlines()) < 15
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} - before == set(), "something was left behind"


def test_a_misspelt_key_is_named_with_its_line_and_a_suggestion(scopedrift, tmp_path):
    (tmp_path / "misspelt.yaml").write_text(TINY + "evaluaton: {cooldown: 1h}\n")
    err = scopedrift("run", "misspelt.yaml").err
    line = len(TINY.splitlines()) + 1
    assert f"misspelt.yaml:{line}" in err and "'evaluation'" in err


def test_an_unusable_tracking_store_is_told_before_anything_runs(scopedrift, tiny, tmp_path):
    done = scopedrift("run", tiny, "--out", "result", MLFLOW_TRACKING_URI="nonsense://x")
    assert done.code == 2
    assert "tracking store" in done.err
    assert not (tmp_path / "result").exists()


def test_a_technique_says_what_it_does_and_who_uses_it(scopedrift):
    said = scopedrift("show", "mint-tokens").out
    assert "looks like: rotation-storm, break-glass" in said
    assert "token-theft" in said.split("used by:")[1].splitlines()[0]
    assert "T1548.005" in said
    assert set(json.loads(scopedrift("list", "techniques", "--json").out)["techniques"]) == set(catalogue.techniques())


@pytest.mark.parametrize("name", sorted(catalogue.techniques()))
def test_every_technique_is_shown(scopedrift, name):
    assert scopedrift("show", name).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_ends_cleanly(tmp_path, wait_until, patience, number, code):
    command = [*CLI, "simulate", "core-week", "--out", "result"]
    heard = partial(signal.signal, number, signal.SIG_DFL)  # what a shell runs in the background ignores it
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    wait_until(lambda: running.poll() is not None or list(tmp_path.glob(".result*")), "the beginning of its result")
    running.send_signal(number)
    _, err = running.communicate(timeout=patience)
    assert (running.returncode, err.strip()) == (code, "scopedrift: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_inside_an_executed_text_ends_a_module_cleanly_too(tmp_path):
    text = f"import os, time; os.kill(os.getpid(), {signal.SIGINT:d}); time.sleep(600)"
    (tmp_path / "waits.py").write_text(f"""
import signal, sys
from scopedrift.experiments.cli import app, main
signal.signal(signal.SIGINT, signal.default_int_handler)
app.command("wait")(lambda: exec({text!r}))
sys.argv = ["scopedrift", "wait"]
main()
""")
    done = subprocess.run([sys.executable, "-m", "waits"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "scopedrift: interrupted")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_terminal_that_closes_does_not_end_a_command_under_nohup(tmp_path):
    program = f"""
import os, signal, sys
from scopedrift.experiments.cli import app, main
signal.signal(signal.SIGHUP, signal.SIG_IGN)
app.command("go-on")(lambda: (os.kill(os.getpid(), {signal.SIGHUP:d}), print("done")))
sys.argv = ["scopedrift", "go-on"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_detector_that_a_scenario_names_and_that_fails_is_one_message(scopedrift, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN_DETECTOR)
    (tmp_path / "adaptive.yaml").write_text(TINY + "adaptive: {detector: ./broken.py}\n")
    done = scopedrift("run", "adaptive.yaml", "--seeds", 1, "--detector", "never", "--no-track", "--out", "result")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "failed in score" in done.err and "it broke" in done.err
    assert not (tmp_path / "result").exists()


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    command = f"{' '.join(CLI)} list | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "scenarios:\n"
    assert done.stderr == ""


def test_nothing_that_steers_a_terminal_is_printed(capsys):
    assert printable("a\x1b[2Jb\n\u202ec") == "a\\x1b[2Jb\\n\\u202ec"
    print_table("", ["name"], [["[bold]x[/bold] \x1b]0;title\x07"]])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown
    assert "[bold]x[/bold]" in shown


def test_json_has_no_nan(capsys):
    start = pd.Timestamp("2026-01-05", tz="UTC")
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": pd.NaT, "d": {"e": start}})
    read = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert read == {"a": None, "b": [None, 1.5], "c": None, "d": {"e": "2026-01-05T00:00:00+00:00"}}


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return not asking.connect_ex(("127.0.0.1", port))


def test_ui_serves_what_was_tracked(tmp_path, wait_until, patience):
    from scopedrift.experiments.tracking import open_tracker

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        open_tracker(tmp_path / "runs")
    reserved = socket.socket()  # bound, not listening: nobody else is given this port meanwhile
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    command = [*CLI, "ui", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: running.poll() is not None or answers(port), "its answer")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=patience) as page:
            assert b"MLflow" in page.read()
    finally:
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=patience)
        reserved.close()
    assert running.returncode == 143
    assert out.startswith(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(("encoding", "arguments"), [("ascii", ["show", "token-theft"]), ("latin-1", ["--help"])])
def test_what_the_output_cannot_encode_is_written_out(tmp_path, encoding, arguments):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*CLI, *arguments], capture_output=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("arguments", ["--help", "--version", "list --help", "show token-theft", "list --json"])
def test_a_full_disk_under_the_output_is_told_in_a_line(tmp_path, arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CLI, *arguments.split()], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
        )
    assert (done.returncode, done.stderr) == (2, "scopedrift: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="closed handles are those of POSIX")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_handles_are_no_files_of_ours(tmp_path, closed):
    program = """
import os, sys
from scopedrift.experiments.cli import app, main

def write():
    with open("result", "w") as result:
        for stream in (sys.stdout, sys.stderr):
            print("printed", file=stream, flush=True)
        for handle in (1, 2):
            os.write(handle, b"printed by another language")
        result.write("whole")

app.command("write")(write)
sys.argv = ["scopedrift", "write"]
main()
"""
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert (tmp_path / "result").read_text() == "whole"


def test_json_is_valid_in_any_encoding(tmp_path):
    code = "from scopedrift.experiments.cli.output import print_json; print_json({'name': 'caf\\xe9 \\U0001f600'})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert json.loads(done.stdout) == {"name": "café \U0001f600"}
