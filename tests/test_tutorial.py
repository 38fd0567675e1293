"""The tutorial, from a folder of CloudTrail to a tuned threshold, on real records, held against plain counts.

The excerpt under `tests/` always; the whole public set where it lies beside the checkout.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("sigma")
pytest.importorskip("optuna")

from typer.testing import CliRunner

from scopedrift.detectors import loading
from scopedrift.detectors.spec import deployed
from scopedrift.experiments.cli import app
from scopedrift.scenarios.durations import parse_rate

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests" / "simulator" / "records" / "reading" / "data" / "invictus.json"
PAGE = ROOT / "docs" / "tutorial.md"
WHOLE = ROOT.parent / "shared" / "data" / "cloudtrail-invictus"
SAMPLES = [
    pytest.param(SAMPLE, id="excerpt"),
    pytest.param(
        WHOLE, id="whole set", marks=pytest.mark.skipif(not WHOLE.is_dir(), reason="the whole set is not here")
    ),
]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def records(trail: Path) -> list[dict]:
    return [record for file in sorted(trail.glob("*.json")) for record in json.loads(file.read_text())["Records"]]


@pytest.mark.usefixtures("plain_reports", "quick_stores")
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_tutorial_leads_to_a_tuned_threshold(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trail = tmp_path / "path" / "to" / "cloudtrail"
    trail.mkdir(parents=True)
    for file in sorted(sample.glob("*.json")) if sample.is_dir() else [sample]:
        shutil.copyfile(file, trail / file.name)
    (tmp_path / "rules").mkdir()
    (rules_file,) = blocks("yaml")
    assert rules_file.startswith("# rules/secrets.yaml\n")
    (tmp_path / "rules" / "secrets.yaml").write_text(rules_file, encoding="utf-8")
    told = {}
    for command in [line for text in blocks("console") for line in text.splitlines()]:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}\n{done.output}"
        assert "Traceback" not in done.output
        told[command] = done.stdout

    known = records(trail)
    score = next(text for command, text in told.items() if "--out alerts" in command)
    assert f"{len(known):,} events from " in score
    rules = pd.read_parquet("by-rule/tables/rules.parquet").set_index("rule")
    logins = [
        r
        for r in known
        if r["eventName"] == "ConsoleLogin" and (r.get("additionalEventData") or {}).get("MFAUsed") == "No"
    ]
    assert rules.loc["Login without a second factor", "events"] == len(logins)
    assert rules.loc["Privileged pod", "status"] == "blind"
    assert rules.loc["Many secrets read in a short time", "events"] == len(many_secrets(known))

    for folder, budget in (("tuned", "1/day"), ("tuned-injected", "50/day")):
        tuned = deployed(f"{folder}/detector.yaml")
        loading.load(f"{folder}/detector.yaml")
        expected = tuned.expected_alerts_per_day
        assert expected is not None and expected.low is not None and expected.high is not None
        assert expected.low <= expected.estimate <= expected.high and tuned.alert_budget == parse_rate(budget)
    assert json.loads(Path("on-call", "score.json").read_text())["detectors"] == ["first-seen(tuned)"]
    judged = pd.read_parquet("judged/tables/cells.parquet").set_index("detector")
    assert (judged["incidents"] <= 8).all() and judged.loc["oracle", "detected"] == judged.loc[
        "oracle", "incidents"
    ] > 0


def many_secrets(known: list[dict]) -> list[dict]:
    """Reads of secrets with at least five different ones by the same caller in the ten minutes before, plainly."""
    reads = [r for r in known if r["eventName"] == "GetSecretValue" and r["eventSource"].startswith("secretsmanager")]
    reads = [r for r in reads if (r.get("requestParameters") or {}).get("secretId")]
    reads.sort(key=lambda r: r["eventTime"])
    times = [pd.Timestamp(r["eventTime"]) for r in reads]
    found = []
    for i, record in enumerate(reads):
        window = [
            before["requestParameters"]["secretId"]
            for before, when in zip(reads[: i + 1], times, strict=False)
            if times[i] - when <= pd.Timedelta(minutes=10)
            and before["userIdentity"]["arn"] == record["userIdentity"]["arn"]
        ]
        found += [record] if len(set(window)) >= 5 else []
    return found


def test_the_page_tells_the_numbers_of_the_whole_set() -> None:
    if not WHOLE.is_dir():
        pytest.skip("the whole set is not here")
    known = records(WHOLE)
    page = " ".join(PAGE.read_text().split())
    users = pd.Series([(r["userIdentity"].get("arn") or "") for r in known]).value_counts()
    assert f"{len(known):,} events" in page
    assert f"One user makes {100 * users.iloc[0] / len(known):.0f} %" in page
    assert f"the correlation matches {len(many_secrets(known))} times" in page
