"""A figure or page that cannot be made costs itself: the tables are there, and the page and the log say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scopedrift.reports import alert_report, claims, files, leaderboard, report, write_alert_report, write_report
from scopedrift.reports.figures import FIGURES, alert_time_line, axes, claim, quantiles, time_line
from scopedrift.reports.figures.quantiles import write_quantiles

TOLD = "could not be drawn"


def broken(*given: object) -> Any:
    """As with a matplotlib that lacks what a figure uses."""
    return axes.canvas(2.0).subplots().bar([1], [1], no_such_property="red")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One figure that works beside one that does not."""
    those = {name: FIGURES[name] for name in list(FIGURES)[:2]} | {"operating-curves": broken}
    for module in (report, leaderboard):
        monkeypatch.setattr(module, "FIGURES", those)
    monkeypatch.setattr(time_line, "draw", broken)


def test_the_report_of_a_run(
    tables: dict[str, pd.DataFrame], few: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = write_report(tables, tmp_path, title="run", meta={}).read_text()
    assert f"This figure {TOLD} (operating-curves): AttributeError" in page and "no_such_property" in page
    assert "time-to-detect.svg" in page and "operating-curves.svg" not in page
    assert sorted(path.stem for path in (tmp_path / "figures").iterdir()) == ["time-to-detect"] * 2
    assert {f"{name}.csv" for name in tables} < {path.name for path in (tmp_path / "tables").iterdir()}
    assert f"{TOLD} (operating-curves)" in caplog.text


def test_the_report_on_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_time_line, "draw", broken)
    page = write_alert_report(pd.DataFrame(), tmp_path, title="log", meta={}).read_text()
    assert f"{TOLD} (alerts)" in page and (tmp_path / "tables" / "alerts.csv").is_file()


def test_the_leaderboard(
    tables: dict[str, pd.DataFrame], few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "_DRAWN", ("operating-curves", "time-to-detect"))
    names = leaderboard.write_leaderboard(tables, tmp_path, title="board", facts={})
    assert TOLD in (tmp_path / "leaderboard.md").read_text()
    assert all((tmp_path / name).is_file() for name in names)


def test_statistics_of_realism(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = quantiles.draw
    monkeypatch.setattr(quantiles, "draw", lambda curve: broken() if curve[0] == "bad" else drawn(curve))
    values = {0.5: 1.0, 0.9: 2.0}
    assert write_quantiles([(name, name, "s", values, values) for name in ("bad", "good")], tmp_path) == [
        "quantiles-good"
    ]


@pytest.mark.parametrize(
    ("module", "breaks", "write", "page"),
    [
        (report, "summarise", lambda tables, out: write_report(tables, out, title="x", meta={}), "report.html"),
        (alert_report, "opening", lambda _, out: write_alert_report(pd.DataFrame(), out, title="x", meta={}),
         "report.html"),
        (leaderboard, "summarise", lambda tables, out: leaderboard.write_leaderboard(
            tables, out, title="x", facts={}), "leaderboard.md"),
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_made_says_why_beside_the_tables(
    tables: dict[str, pd.DataFrame], few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    module: Any, breaks: str, write: Any, page: str,
) -> None:  # fmt: skip
    def fail(*given: object) -> str:
        raise KeyError("<b>column</b>")

    if page == "leaderboard.md":
        monkeypatch.setattr(leaderboard, "_DRAWN", ())
    monkeypatch.setattr(module, breaks, fail)
    write(tables, tmp_path)
    assert "This page could not be made: KeyError" in (tmp_path / page).read_text()
    assert "<b>" not in (tmp_path / page).read_text()
    assert list(tmp_path.rglob("*.csv"))


def test_the_page_of_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "draw", broken)
    monkeypatch.setattr(claims, "_section", lambda rows, shown: shown.markdown())
    monkeypatch.setattr(claims, "overview", lambda table: table)
    table = pd.DataFrame({"claim": ["short-lived"], "value": [0.5]})
    assert claims.write_claims(table, tmp_path, {}) == ["claims.md", "claims.csv"]
    assert f"{TOLD} (short-lived)" in (tmp_path / "claims.md").read_text()
    assert files.csv_text(table, "%.6g") == (tmp_path / "claims.csv").read_text()
