"""Synthetic but realistic result tables, and a headless browser driven over its own debugging pipe."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.reports import drawing, report, write_report
from scopedrift.reports.style import RC

START = pd.Timestamp("2026-01-05", tz="UTC")
TEST_START, END = START + pd.Timedelta(days=14), START + pd.Timedelta(days=28)
DAYS = 14.0
"""Length of the test window."""
TEMPLATES = {
    "copied-service-account": ("scope_drift", ["Copied key is used from a new place", "Reads training storage"]),
    "token-to-storage": ("attack", ["Mint a token", "Read secrets", "List buckets", "Exfiltrate storage"]),
    "unusual-image-mining": ("attack", ["Create job", "Pull unusual image", "Mine"]),
}
# detector: (chance to catch each template, typical delay in seconds, false alarms a day, seconds per million events)
DETECTORS: dict[str, tuple[tuple[float, float, float], float, float, float]] = {
    "declared-policy": ((0.55, 0.8, 0.9), 600, 0.7, 2.1),
    "first-seen": ((0.0, 0.75, 0.85), 1_500, 1.6, 0.9),
    "peer-group": ((0.3, 0.6, 0.55), 9_000, 1.1, 14.0),
    "rate": ((0.0, 0.35, 0.5), 14_000, 0.9, 0.7),
    "isolation-forest": ((0.1, 0.3, 0.3), 30_000, 2.4, 60.0),
    "never": ((0.0, 0.0, 0.0), 1, 0.0, 0.1),
    "always": ((1.0, 1.0, 1.0), 1, 900.0, 0.1),
    "random": ((0.05, 0.1, 0.05), 40_000, 1.0, 0.2),
    "oracle": ((1.0, 1.0, 1.0), 1, 0.0, 0.1),
}
REFERENCES = {
    "never": "alerts on nothing",
    "always": "scores every event alike",
    "random": "scores at random",
    "oracle": "is told the truth and checks the plumbing only",
}
ANNOUNCED = {"registry-migration": "true", "new-dataset": "true", "break-glass": "false"}
CAUSES = ["baseline", "registry-migration", "new-dataset", "break-glass", "before incident"]


def world(
    scenario: str = "core-week", seeds: int = 5, detectors: tuple[str, ...] = tuple(DETECTORS), each: int = 4
) -> dict[str, pd.DataFrame]:
    """The seven result tables of one scenario."""
    draw = np.random.default_rng(7)
    rows: dict[str, list[dict[str, Any]]] = {
        k: [] for k in ("cells", "incidents", "stages", "alerts", "curves", "changes")
    }
    for seed in range(seeds):
        _changes(draw, scenario, seed, rows)
        truth = _incidents(draw, scenario, seed, each, rows)
        for detector in detectors:
            _run(draw, scenario, seed, detector, truth, rows)
    if "peer-group" in detectors and seeds > 1:
        broken = next(r for r in rows["cells"] if r["detector"] == "peer-group")
        failed = {"status": "failed", "reason": "MemoryError: cannot hold 10,000,000 x 512 floats"}
        rows["cells"][rows["cells"].index(broken)] = {k: broken[k] for k in ("scenario", "seed", "detector")} | failed
        for name in ("incidents", "alerts", "curves"):
            rows[name] = [r for r in rows[name] if (r.get("detector"), r["seed"]) != ("peer-group", broken["seed"])]
    tables = {name: pd.DataFrame(found) for name, found in rows.items()}
    return {
        "cells": tables["cells"],
        "summary": _summary(tables["cells"]),
        **{k: v for k, v in tables.items() if k != "cells"},
    }


def _changes(draw: np.random.Generator, scenario: str, seed: int, rows: dict[str, list[dict[str, Any]]]) -> None:
    for number in range(7):
        start = START + pd.Timedelta(hours=float(draw.uniform(0, 27 * 24)))
        rows["changes"].append(
            {
                "scenario": scenario,
                "seed": seed,
                "change": f"change-{number}",
                "kind": CAUSES[1 + number % 3],
                "announced": number % 3 > 0,
                "start": start,
                "end": start + pd.Timedelta(hours=float(draw.uniform(2, 60))),
                "identities": int(draw.integers(1, 9)),
            }
        )


def _incidents(
    draw: np.random.Generator, scenario: str, seed: int, each: int, rows: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    truth = []
    for template, (label, names) in TEMPLATES.items():
        for number in range(each):
            begin = TEST_START + pd.Timedelta(hours=float(draw.uniform(2, 10 * 24)))
            incident = f"{template}-{number}"
            at = begin
            for place, name in enumerate(names):
                until = at + pd.Timedelta(seconds=float(draw.lognormal(8, 1)))
                denied = place and draw.random() < 0.15
                rows["stages"].append(
                    {
                        "scenario": scenario,
                        "seed": seed,
                        "incident": incident,
                        "stage": f"stage-{place}",
                        "name": name,
                        "technique": f"T15{place}0",
                        "started_at": at,
                        "ended_at": until,
                        "outcome": "denied" if denied else "success",
                        "in_entitlement": not denied,
                        "in_scope": False,
                    }
                )
                impact, at = at, until + pd.Timedelta(seconds=float(draw.lognormal(6.5, 1)))
            truth.append(
                {
                    "scenario": scenario,
                    "seed": seed,
                    "incident": incident,
                    "label": label,
                    "template": template,
                    "family": "inference",
                    "strength": 0.3,
                    "identity": f"spiffe://quay.example/ns/ml-{number}/sa/ranker",
                    "intent_at": begin - pd.Timedelta(minutes=5),
                    "first_observable_at": begin,
                    "impact_at": impact,
                    "ended_at": at,
                    "end_reason": "completed",
                    "in_entitlement": number % 2 == 0,
                    "in_scope": False,
                }
            )
    return truth


def _run(
    draw: np.random.Generator,
    scenario: str,
    seed: int,
    detector: str,
    truth: list[dict[str, Any]],
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    base = {"scenario": scenario, "seed": seed, "detector": detector}
    detections = []
    for incident in truth:
        detections.append(found := _detection(draw, base, incident))
        if found["detected"]:
            rows["alerts"].append(_true_alert(draw, base, found))
    rows["incidents"] += detections
    count = int(draw.poisson(DETECTORS[detector][2] * DAYS))
    rows["alerts"] += [_false_alarm(draw, base) for _ in range(min(count, 400))]
    rows["cells"].append(_cell(draw, base, detections, false_alarms=count))
    rows["curves"] += _curve(draw, base, incidents=len(truth))


def _detection(draw: np.random.Generator, base: dict[str, Any], incident: dict[str, Any]) -> dict[str, Any]:
    """Whether and when the detector finds an incident."""
    chances, typical, _, _ = DETECTORS[base["detector"]]
    hit = draw.random() < chances[list(TEMPLATES).index(incident["template"])]
    delay = float(draw.lognormal(np.log(typical), 1.2)) if typical > 1 else 0.0
    when = incident["first_observable_at"] + pd.Timedelta(seconds=delay)
    return {
        **incident,
        **base,
        "detected": hit,
        "detected_at": when if hit else pd.NaT,
        "delay_s": delay if hit else np.nan,
        "follow_up_s": DAYS * 86_400,
        "stages_passed": 1,
        "before_impact": hit and when < incident["impact_at"],
    }


def _true_alert(draw: np.random.Generator, base: dict[str, Any], detection: dict[str, Any]) -> dict[str, Any]:
    return {
        **base,
        "identity": detection["identity"],
        "opened_at": detection["detected_at"],
        "closed_at": detection["detected_at"] + pd.Timedelta(hours=1),
        "events": 12,
        "score": float(draw.gamma(4)),
        "incident": detection["incident"],
        "false_alarm": False,
        "cause": "",
        "announced": "",
        "operation": "GetObject",
        "resource": "s3://quay-training/eval/shard-0042",
        "reason": "first read of this bucket by this identity",
    }


def _false_alarm(draw: np.random.Generator, base: dict[str, Any]) -> dict[str, Any]:
    when = TEST_START + pd.Timedelta(days=float(draw.uniform(0, DAYS)))
    return {
        **base,
        "identity": f"spiffe://quay.example/ns/ci/sa/runner-{draw.integers(30)}",
        "opened_at": when,
        "closed_at": when + pd.Timedelta(hours=1),
        "events": int(draw.integers(1, 40)),
        "score": float(draw.gamma(3)),
        "incident": "",
        "false_alarm": True,
        "cause": (cause := str(draw.choice(CAUSES, p=[0.2, 0.5, 0.15, 0.1, 0.05]))),
        "announced": ANNOUNCED.get(cause, ""),
        "operation": "PullImage",
        "resource": "registry.quay.example/ml/trainer:v9",
        "reason": "image from a registry that the identity has not used before",
    }


def _cell(
    draw: np.random.Generator, base: dict[str, Any], detections: list[dict[str, Any]], *, false_alarms: int
) -> dict[str, Any]:
    detector, incidents = base["detector"], len(detections)
    detected = sum(each["detected"] for each in detections)
    alerts = detected + false_alarms
    recall = detected / incidents if incidents else np.nan
    return {
        **base,
        "reference": REFERENCES.get(detector, ""),
        "status": "ok",
        "reason": "",
        "knowledge": "policy,inventory" if detector == "declared-policy" else "",
        "threshold": 2.5,
        "precision": detected / alerts if alerts else np.nan,
        "recall": recall,
        "recall_at_equal_alarms": recall,
        "f1": np.nan,
        "incidents": incidents,
        "detected": detected,
        "false_positives": false_alarms,
        "false_positives_per_day": false_alarms / DAYS,
        "false_positives_per_identity_day": false_alarms / DAYS / 300,
        "time_to_detect_median_s": _median(detections),
        "time_to_detect_restricted_mean_s": 5e5,
        "detected_before_impact": sum(each["before_impact"] for each in detections) / incidents
        if incidents
        else np.nan,
        "alerts": alerts,
        "raw_alerts": 9 * alerts,
        "duplicates": 1,
        "abstained": 0,
        "average_precision": recall * 0.6,
        "budget_per_day": 1.0,
        "realised_per_day": false_alarms / DAYS,
        "calibration_days": 4.0,
        "expected_per_day": 1.0,
        "calibration_alerts_per_day": 0.0 if detector == "never" else 0.86,
        "events": 250_000,
        "identities": 300,
        "test_days": DAYS,
        "score_seconds": DETECTORS[detector][3] / 4 * float(draw.uniform(0.9, 1.1)),
    }


def _curve(draw: np.random.Generator, base: dict[str, Any], *, incidents: int) -> list[dict[str, Any]]:
    usual = np.mean(DETECTORS[base["detector"]][0])
    rows = []
    for cost in np.geomspace(0.02, 200, 60):
        recall = float(np.clip(usual * cost**0.25 + draw.normal(0, 0.02), 0, 1)) if incidents else np.nan
        found = recall * incidents
        precision = found / (found + cost * DAYS) if incidents else np.nan
        point = {"threshold": 5 - np.log(cost), "false_positives_per_day": cost}
        rows.append({**base, **point, "recall": recall, "precision": precision})
    return rows


def _median(incidents: list[dict[str, Any]]) -> float:
    delays = sorted(i["delay_s"] if i["detected"] else np.inf for i in incidents)
    middle = delays[(len(delays) - 1) // 2] if delays else np.inf
    return middle if np.isfinite(middle) else np.nan


def _summary(cells: pd.DataFrame) -> pd.DataFrame:
    skip = {"scenario", "seed", "detector", "reference", "status", "reason", "knowledge", "threshold"}
    rows = []
    for (scenario, detector), own in cells.groupby(["scenario", "detector"], sort=False):
        row: dict[str, Any] = {"scenario": scenario, "detector": detector}
        fine = own[own["status"] == "ok"]
        for metric in (c for c in cells.columns if c not in skip):
            mean, error = fine[metric].mean(), 1.96 * fine[metric].std() / max(1, len(fine)) ** 0.5
            row |= {metric: mean, f"{metric}_low": np.maximum(0.0, mean - error), f"{metric}_high": mean + error}
        tied = "" if detector == "rate" else "rate"
        rows.append(
            {
                **row,
                "seeds": len(fine),
                "failed": len(own) - len(fine),
                "rank": 1,
                "tied_with": tied,
                "minimum_detectable": 0.2,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def tables() -> dict[str, pd.DataFrame]:
    return world()


@pytest.fixture(scope="session")
def page(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on `tables`, with a hostile name, as users get it."""
    named = {k: v.replace("core-week", "<script>alert(1)</script>") for k, v in tables.items()}
    folder = tmp_path_factory.mktemp("report")
    return write_report(named, folder, title="<script>alert(1)</script>", meta={"Digest": "abc"})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three time lines are enough, and fonts are embedded the quick way: both are most of the time of a report."""
    monkeypatch.setitem(RC, "pdf.fonttype", 3)
    monkeypatch.setattr(report, "TIME_LINES", 2)
    monkeypatch.setattr(report, "TIME_LINES_FOLDED", 1)


@pytest.fixture
def words(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is all that counts: what stands in its figures, but no PDF of them."""
    drawn = drawing.render
    monkeypatch.setattr(drawing, "render", lambda figure, folder, *, pdf: drawn(figure, folder, pdf=False))


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says and its tables are all that counts."""
    monkeypatch.setattr(report, "FIGURES", {})
    monkeypatch.setattr(report.time_line, "informative", lambda own: [])


@pytest.fixture(scope="session")
def make_world() -> Callable[..., dict[str, pd.DataFrame]]:
    return world


class Browser:
    """Headless Chromium, asked over a pipe; remembers every request, console message and exception."""

    def __init__(self, binary: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        flags += " --disable-component-update --disable-sync"

        def connect() -> None:
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate((to_browser, from_browser))]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [binary, *flags.split(), f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=connect,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def _next(self, seconds: float = 600.0) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has gone"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def open(self, page: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask(
            "Emulation.setEmulatedMedia",
            media="",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def problems(self) -> list[dict[str, Any]]:
        """Console messages, log entries and exceptions since the page was opened."""
        return [
            e
            for e in self.events
            if e.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def requests(self) -> list[str]:
        """Addresses asked for since the page was opened."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        pytest.skip("no Chromium on this machine")
    found = Browser(binary, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()
