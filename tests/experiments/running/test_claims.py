"""Claims: measured over worlds, and judged by the paired difference alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.experiments.evaluation.intervals import Interval
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables
from scopedrift.experiments.folders import new_folder
from scopedrift.experiments.running.claims import (
    FAILS,
    HOLDS,
    OPEN,
    ClaimError,
    ExaminedClaim,
    examine,
    judge,
    paired,
    table,
    verdict,
)
from scopedrift.reports.columns import TABLES
from scopedrift.reproducing import _options, board_plan
from scopedrift.scenarios.claim import Claim, load_claims
from scopedrift.scenarios.seal import Seal

Command = Callable[..., Any]
REACH, TTL = "excess-privilege-reach", "short-ttl-stops-chains"
TINY = """
name: tiny
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {inference: {services: 3}, serverless: {functions: 4}}
incidents: [{attack: rogue-job, count: 2}]
"""


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 10)


@pytest.mark.parametrize(
    ("low", "high", "expect", "expected"),
    [
        (0.1, 0.3, "rises", HOLDS),
        (0.1, 0.3, "above", HOLDS),
        (0.1, 0.3, "falls", FAILS),
        (-0.3, -0.1, "falls", HOLDS),
        (-0.3, -0.1, "rises", FAILS),
        (-0.1, 0.3, "rises", OPEN),
        (0.0, 0.3, "rises", OPEN),
        (float("nan"), float("nan"), "rises", OPEN),
    ],
)
def test_a_claim_holds_only_if_the_interval_excludes_zero_on_its_side(low, high, expect, expected) -> None:
    assert verdict(interval(low, high), expect) == expected


sums = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=12)


@settings(max_examples=30)
@given(sums)
def test_a_side_against_itself_shows_nothing(values) -> None:
    side = np.array([a for a, _ in values], float), np.array([b for _, b in values], float)
    found = paired(side, side)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)


@settings(max_examples=30)
@given(sums, st.floats(0.25, 4))
def test_the_difference_changes_its_sign_with_the_sides(values, factor) -> None:
    one = np.array([a for a, _ in values], float), np.array([b for _, b in values], float)
    other = one[0] * factor, one[1]
    there, back = paired(one, other), paired(other, one)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.low <= there.estimate + 1e-12
    assert there.high >= there.estimate - 1e-12


def test_worlds_are_paired() -> None:
    """Worlds that differ much and a small, constant gain: only pairing can see it."""
    base = np.array([1.0, 9.0, 3.0, 7.0, 2.0, 8.0])
    found = paired((base + 0.5, np.full(6, 10.0)), (base, np.full(6, 10.0)))
    assert found.estimate == pytest.approx(0.05)
    assert found.low == pytest.approx(0.05)


def achieved(claim: Claim, successes: dict[str, list[int]]) -> Tables:
    """Tables of worlds in which incidents have three stages, the first so many of them successful; a seed each."""
    start = pd.Timestamp("2026-01-01", tz="UTC")
    cells, stages, incidents = [], [], []
    for setting, counts in successes.items():
        for seed, count in enumerate(counts):
            key = {"scenario": claim.label(setting), "seed": seed}
            cells.append({**key, "detector": "never", "status": "ok"})
            reached = start if count == 3 else pd.NaT
            incidents.append({**key, "detector": "never", "incident": "i", "impact_at": reached})
            for stage in range(3):
                begun = start + pd.Timedelta(hours=stage)
                stages.append(
                    {
                        **key,
                        "incident": "i",
                        "stage": stage,
                        "started_at": begun,
                        "ended_at": begun + pd.Timedelta(minutes=30),
                        "outcome": "success" if stage < count else "denied",
                    }
                )
    held = combine([])
    held |= {"cells": pd.DataFrame(cells), "stages": pd.DataFrame(stages), "incidents": pd.DataFrame(incidents)}
    return held


def test_stages_impact_and_hours_are_counted_per_incident() -> None:
    (claim,) = load_claims(TTL)
    worlds = {"2m": [1, 0], "20m": [2, 1], "12h": [3, 2]}
    found = judge(claim, achieved(claim, worlds))
    assert [point.value.estimate for point in found.points] == [0.5, 1.5, 2.5]
    assert found.verdict == HOLDS
    assert {point.detector for point in found.points} == {""}
    reach = judge(claim.model_copy(update={"measure": "impact_share"}), achieved(claim, worlds))
    assert [point.value.estimate for point in reach.points] == [0.0, 0.0, 0.5]
    hours = judge(claim.model_copy(update={"measure": "attack_hours"}), achieved(claim, worlds))
    assert {point.value.estimate for point in hours.points} == {2.5}
    assert hours.verdict == OPEN


def test_a_failed_cell_is_no_finding() -> None:
    (claim,) = load_claims(TTL)
    tables = achieved(claim, {"2m": [1, 0], "20m": [2, 1], "12h": [3, 2]})
    tables["cells"].loc[1, ["status", "reason"]] = "failed", "no memory"
    with pytest.raises(ClaimError, match="seed 1: no memory"):
        judge(claim, tables)


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Claim, ExaminedClaim, Path]:
    """A claim of few worlds, what was found, and the folder of its cells."""
    folder = tmp_path_factory.mktemp("claim")
    (claim,) = load_claims(REACH)
    return claim.quick(), examine(claim.quick(), folder), folder


def test_a_claim_is_examined_and_finished_cells_are_kept(examined: tuple[Claim, ExaminedClaim, Path]) -> None:
    claim, first, folder = examined
    told: list[float] = []
    assert examine(claim, folder, progress=lambda done, what: told.append(done)) == first
    assert told == []
    frame = table([first])
    assert list(frame.columns) == list(TABLES["claims"])
    assert len(frame) == 2
    assert first.points[-1].value.estimate > first.points[0].value.estimate


def test_reproduce_writes_page_table_and_figure(
    tmp_path: Path, scopedrift: Command, examined: tuple[Claim, ExaminedClaim, Path]
) -> None:
    shutil.copytree(examined[2], tmp_path / "runs" / "reproduce")
    done = scopedrift("reproduce", REACH, "--quick", "--out", "found")
    assert done.code == 0, done.err
    assert "Excess privilege lets attacks reach their goal" in done.out
    found = tmp_path / "found"
    assert {file.name for file in found.iterdir() if file.name[0] != "."} == {"reproduce.json", "claims"}
    assert {file.name for file in (found / "claims").iterdir()} == {"claims.md", "claims.csv", f"{REACH}.svg"}
    assert f"`scopedrift reproduce {REACH} --quick`" in (found / "claims/claims.md").read_text()


def test_reproduce_makes_the_leaderboard(tmp_path: Path, scopedrift: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "suite.yaml").write_text(
        "{name: small, scenarios: [tiny.yaml], detectors: [first-seen], seeds: 1000-1002}"
    )
    command = import_module("scopedrift.reproducing")
    monkeypatch.setattr(command, "QUICK_SUITE", str(tmp_path / "suite.yaml"))
    assert scopedrift("seal", "new", "secret.txt").code == 0
    done = scopedrift("reproduce", "leaderboard", "--quick", "--seal", "secret.txt", "--out", "found")
    assert done.code == 0, done.err
    assert "first-seen" in done.out
    board = tmp_path / "found" / "leaderboard"
    page = (board / "leaderboard.md").read_text()
    assert "3 worlds a scenario: 1000 to 1002 (sealed)" in page
    assert "`scopedrift reproduce leaderboard --quick --seal secret.txt`" in page
    for figure in re.findall(r"\]\((.+?\.svg)\)", page):
        assert (board / figure).exists()
    rows = pd.read_csv(board / "results.csv").set_index("Detector")
    assert rows.loc["oracle", "Recall"].startswith("100 % (")
    assert rows.loc["never", "Recall"].startswith("0 % (0 to ")
    revealed = json.loads(scopedrift("seal", "reveal", "secret.txt", "found/leaderboard", "--json").out)
    assert revealed["ok"] and [world["world"] for world in revealed["worlds"]] == [1000, 1001, 1002]


def test_a_folder_of_a_run_is_not_replaced(tmp_path: Path, scopedrift: Command) -> None:
    with new_folder(tmp_path / "found", "run.json") as folder:
        (folder / "run.json").write_text("{}")
    done = scopedrift("reproduce", REACH, "--quick", "--out", "found")
    assert done.code == 2 and "another folder" in done.err
    assert (tmp_path / "found" / "run.json").read_text() == "{}"


def test_a_board_says_how_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(Seal.new().text)
    plan = board_plan("board-core", seal=tmp_path / "secret.txt", rules="rules")
    assert _options(plan, False, True) == ["--suite", "board-core", "--seal", "secret.txt", "--rules", "rules"]
    assert _options(board_plan("quick"), True, True) == ["--quick"]
    assert _options(board_plan(), False, True) == []


def test_no_board_is_made_of_worlds_that_detectors_were_written_on(tmp_path, scopedrift, monkeypatch) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "suite.yaml").write_text("{name: small, scenarios: [tiny.yaml], detectors: [first-seen]}")
    monkeypatch.setattr(import_module("scopedrift.reproducing"), "QUICK_SUITE", str(tmp_path / "suite.yaml"))
    done = scopedrift("reproduce", "leaderboard", "--quick", "--out", "found")
    assert done.code == 2 and "seed 0 is a development world" in done.err
    assert not (tmp_path / "found").exists()


def test_reproduce_answers_an_unknown_claim(tmp_path: Path, scopedrift: Command) -> None:
    done = scopedrift("reproduce", "excess-privilege-reech")
    assert done.code == 2
    assert "did you mean 'excess-privilege-reach'" in done.err
    assert not (tmp_path / "runs").exists()
