"""`scopedrift export`: a log as records in a folder, which an import reads as the same number of events."""

import json
from pathlib import Path

from typer.testing import CliRunner

from scopedrift.experiments.cli import app
from scopedrift.scenarios.loader import load
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.reading.importer import import_log

TINY = """
name: tiny
horizon: 8h
windows: {baseline: 3h, calibration: 3h}
organisation: {projects: 2, tenants: 1}
workloads: {serverless: {functions: 2}}
"""


def command(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def simulated(folder: Path):
    (folder / "tiny.yaml").write_text(TINY)
    return simulate(load(str(folder / "tiny.yaml")), 1, out=folder / "log").log


def test_a_simulated_log_becomes_records(tmp_path):
    log = simulated(tmp_path)
    streams = log.frame()["stream"].value_counts().to_dict()
    done = command("export", tmp_path / "log", "--format", "cloudtrail", "--out", tmp_path / "trail", "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["records"] == streams.pop("cloud_audit")
    assert facts["left_out"] == streams
    assert "which cloudtrail does not record: ocsf, github, falco can hold them" in done.stderr
    imported = import_log(tmp_path / "trail")
    assert imported.report.events == facts["records"]
    assert imported.report.ignored == 0 and not imported.report.skipped
    assert not any("169.254.169.254" in text for text in imported.log.vocabulary["resource"])
    again = command("export", tmp_path / "log", "--format", "cloudtrail", "--out", tmp_path / "trail")
    assert again.exit_code == 0, "an earlier export is replaced"


def test_bad_input_leaves_nothing_behind(tmp_path):
    simulated(tmp_path)
    for format, message in (("syslog", "unknown format 'syslog'"), ("otel", "otel records carry only agent")):
        done = command("export", tmp_path / "log", "--format", format, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert message in done.stderr
        assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    done = command("export", tmp_path / "log", "--format", "falco", "--out", tmp_path / "mine")
    assert done.exit_code == 2 and "did not write" in done.stderr
