"""Tables as files: what came in unchanged, what a paper quotes escaped."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from scopedrift.reports.columns import TABLES
from scopedrift.reports.files import csv_text, latex, markdown, write_inputs
from scopedrift.reports.results import causes_frame, recall_frame, results_frame, slices_frame
from scopedrift.reports.tables import normalise

HOSTILE = pd.DataFrame({"name": ["a|b\n# c", r"\input{x} 50% $y$ a_b & <i>"], "n": [1, 2]})


def test_csv_is_what_came_in(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    names = write_inputs(tables, tmp_path)
    assert names == [f"{t}.csv" for t in tables]
    for name, frame in tables.items():
        read = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, dtype=str)
        again = pd.read_csv(tmp_path / f"{name}.csv", float_precision="round_trip")
        assert list(read.columns) == list(frame.columns) and len(read) == len(frame)
        for column in frame.select_dtypes("number"):
            pd.testing.assert_series_equal(again[column].astype(float), frame[column].astype(float), check_exact=True)
        for column in [c for c, kind in TABLES[name].items() if kind == "text" and c != "seed" and c in frame]:
            assert read[column].tolist() == frame[column].fillna("").astype(str).tolist()


def test_no_text_in_a_csv_runs_as_a_formula() -> None:
    texts = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\N{FULLWIDTH EQUALS SIGN}1", "a=b", "", None]
    frame = pd.DataFrame({"=name": texts, "n": [-1.5] * len(texts), "mixed": [-2, "-x"] * (len(texts) // 2)})
    read = pd.read_csv(io.StringIO(csv_text(frame)), keep_default_na=False, lineterminator="\n")
    assert list(read.columns) == ["'=name", "n", "mixed"]
    assert read["'=name"].tolist() == [f"'{text}" for text in texts[:7]] + ["a=b", "", ""]
    assert (read["n"] == -1.5).all()
    assert read["mixed"].tolist() == ["-2", "'-x"] * (len(texts) // 2)


def test_markdown_keeps_one_row_a_line_and_escapes() -> None:
    lines = markdown(HOSTILE, "t*").splitlines()
    assert lines[0] == r"**t\***"
    assert len(lines) == 6
    assert lines[4] == r"| a\|b \# c | 1 |"
    assert "&lt;i&gt;" in lines[5] and r"\$y\$" in lines[5]


def test_latex_escapes() -> None:
    body = latex(HOSTILE, "100 %", "a b")
    assert r"\caption{100 \%}" in body and r"\label{tab:a-b}" in body
    assert r"\textbackslash{}input\{x\} 50\% \$y\$ a\_b \& \textless{}i\textgreater{} & 2 \\" in body


def test_quotable_tables(tables: dict[str, pd.DataFrame]) -> None:
    data = normalise(tables)
    results = results_frame(data)
    assert list(results["Detector"])[-4:] == ["never", "always", "random", "oracle"]
    assert results.set_index("Detector").loc["never", "Median time to detect"] == "not reached"
    assert results.set_index("Detector").loc["never", "Precision"] == "–"  # noqa: RUF001
    assert results.set_index("Detector").loc["peer-group", "Runs"] == "4 of 5"
    recall = recall_frame(data).set_index("Kind of incident")
    assert recall.loc["copied-service-account", "first-seen"] == "0/20"
    causes = causes_frame(data)
    own = tables["alerts"][(tables["alerts"]["detector"] == "rate") & tables["alerts"]["false_alarm"]]
    assert causes["rate"].sum() == len(own)
    migrations = causes.set_index("Cause").loc["registry migrations, announced", "rate"]
    assert migrations == (own["cause"] == "registry-migration").sum()
    slices = slices_frame(data).set_index(["Incidents", "Slice"])
    rows = tables["incidents"][tables["incidents"]["detector"] == "rate"]
    for label in ("yes", "no"):
        mine = rows[rows["in_scope"].astype(bool) == (label == "yes")]
        if len(mine):
            shown = slices.loc[("inside the declared scope", label), "rate"]
            assert shown == f"{int(mine['detected'].sum())}/{len(mine)}"
    assert set(slices.index.get_level_values(0)) >= {"label", "family", "strength", "inside the entitlement"}
