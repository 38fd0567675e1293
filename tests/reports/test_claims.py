"""The page of claims: words, table and figures from the table of findings."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest

from scopedrift.reports.claim_words import MEASURES, difference_words
from scopedrift.reports.claims import overview, write_claims


def rows(measure: str = "recall", *, expect: str = "falls", verdict: str = "holds") -> pd.DataFrame:
    detectors = ["task-context", "first-seen"] if expect == "above" else ["first-seen"]
    return pd.DataFrame(
        [
            {
                "claim": f"about-{measure}",
                "title": f"About {measure}",
                "statement": "It is so.",
                "signals": "S8",
                "world": "fleet",
                "knob": "sharing",
                "setting": setting,
                "detector": detector,
                "measure": measure,
                "value": value,
                "low": value - 0.05,
                "high": value + 0.05,
                "worlds": 16,
                "expect": expect,
                "difference": -0.25,
                "difference_low": -0.4,
                "difference_high": -0.1,
                "verdict": verdict,
            }
            for setting, value in (("0", 0.5), ("1", 0.25))
            for detector in detectors
        ]
    )


def test_the_overview_says_what_was_found() -> None:
    found = overview(rows()).iloc[0]
    assert found["Found"] == "0: 50 %; 1: 25 %"
    assert found["Difference (95 %)"] == "\N{MINUS SIGN}25 (\N{MINUS SIGN}40 to \N{MINUS SIGN}10) points"
    assert found["Verdict"] == "holds"


def test_the_words_name_both_sides() -> None:
    assert difference_words(rows()).startswith("1 against 0:")
    assert difference_words(rows(expect="above")).startswith("task-context against first-seen at 1:")
    assert difference_words(rows(verdict="not shown")).endswith("the claim is not shown.")


def test_everything_is_written_and_linked(tmp_path: Path) -> None:
    table = pd.concat([rows(measure, expect="above") for measure in MEASURES])
    names = write_claims(table, tmp_path, {"made by": "`scopedrift reproduce`"})
    assert sorted(names) == sorted(file.name for file in tmp_path.iterdir())
    page = (tmp_path / "claims.md").read_text()
    for measure in MEASURES:
        assert f"(about-{measure}.svg)" in page
        assert ET.parse(tmp_path / f"about-{measure}.svg").getroot().tag.endswith("svg")
    assert len(pd.read_csv(tmp_path / "claims.csv")) == len(table)


def test_the_same_table_gives_the_same_files(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_claims(rows(), tmp_path / place, {})
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize("measure", MEASURES)
def test_zero_everywhere_can_be_drawn(tmp_path: Path, measure: str) -> None:
    nothing = rows(measure).assign(value=0.0, low=0.0, high=0.0, difference=0.0, difference_low=0.0)
    drawn = {name for name in write_claims(nothing, tmp_path, {}) if name.endswith(".svg")}
    assert drawn and all((tmp_path / name).stat().st_size for name in drawn)
