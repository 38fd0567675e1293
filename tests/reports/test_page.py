"""The page: well-formed, complete, self-contained, safe against hostile names, and the same bytes each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scopedrift.reports import write_alert_report, write_report
from scopedrift.reports.report import FINDINGS_TOLD, TIME_LINES

VOID = {"meta", "link", "input", "br", "hr", "img"}
FIGURES = [
    "operating-curves",
    "time-to-detect",
    "recall-by-incident-kind",
    "false-alarms-by-cause",
    "calendar",
    "realised-alarms",
    "cost",
]
HOSTILE = "<script>alert(1)</script>$x_{1}$ \"'&\x1b\u202e"


class Page(HTMLParser):
    """Reads a page strictly: every element that opens closes, in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [a[name] for _, a in self.elements if name in a]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_one_well_formed_page_with_all_its_parts(page: Path) -> None:
    read = Page(page)
    text = read.text
    order = [
        "In words",
        "catches",
        "Detectors at their alert budget",
        "Recall and precision against",
        "Incidents, one by one",
        "How it was measured Incident",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "Digest abc" in text
    assert [f"figure-{name}" for name in FIGURES] == [
        i for i in read.attributes("id") if i in {f"figure-{n}" for n in FIGURES}
    ]
    assert sum(i.startswith("figure-incident-") for i in read.attributes("id")) == TIME_LINES + 24
    assert f"{TIME_LINES} of 60 incidents" in text


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    raw = page.read_text(encoding="utf-8")
    read = Page(page)
    loads = read.attributes("src") + read.attributes("srcset") + read.attributes("poster") + read.attributes("data")
    assert loads == []
    assert all(
        re.match("(#|data:,|(figures|tables)/)", link)
        for link in read.attributes("href") + read.attributes("xlink:href")
    )
    assert set(re.findall(r"url\((.)", raw)) <= {"#"}
    assert "@import" not in raw and "http://" not in raw and "https://" not in raw
    policy = next(a["content"] for t, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "connect-src" not in policy and "unsafe-eval" not in policy
    for link in read.attributes("href"):
        assert not link.startswith(("figures/", "tables/")) or (page.parent / link).is_file(), link


def test_ids_are_unique_and_references_resolve(page: Path) -> None:
    read = Page(page)
    ids = Counter(read.attributes("id"))
    assert [i for i, n in ids.items() if n > 1] == []
    raw = page.read_text(encoding="utf-8")
    targets = {link[1:] for link in read.attributes("href") if link.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", raw)
    )
    targets |= {part for value in read.attributes("aria-labelledby") for part in value.split()}
    assert targets <= set(ids)


def test_tables_and_figures_speak_to_a_screen_reader(page: Path) -> None:
    read = Page(page)
    tags = Counter(t for t, _ in read.elements)
    assert tags["caption"] == tags["table"] == 3
    assert all(a.get("scope") in ("col", "row") for t, a in read.elements if t == "th")
    pictures = [a for t, a in read.elements if t == "svg"]
    assert all(a["role"] == "img" and a["aria-labelledby"] for a in pictures)
    assert tags["desc"] == tags["svg"] == len(FIGURES) + TIME_LINES + 24
    assert read.elements[read.elements.index(("html", {"lang": "en"}))]


def test_figures_follow_the_theme(page: Path) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page.read_text(encoding="utf-8"), flags=re.S)
    assert all("var(--ink)" in p for p in pictures)
    assert not [c for p in pictures for c in re.findall(r"#[0-9a-f]{6}\b", p)]


def test_figures_are_files_too(page: Path) -> None:
    folder = page.parent / "figures"
    for name in FIGURES:
        svg = ET.parse(folder / f"{name}.svg").getroot()
        assert svg.tag.endswith("}svg") and "var(" not in (folder / f"{name}.svg").read_text(encoding="utf-8")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(folder.glob("incident-*.svg"))) == TIME_LINES


@pytest.mark.usefixtures("few")
def test_same_tables_same_bytes(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    small = make_world(seeds=1, detectors=("first-seen", "never"), each=1)
    for folder in ("a", "b"):
        write_report(small, tmp_path / folder, title="t", meta={})
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) > 20
    assert [f for f in files if (tmp_path / "a" / f).read_bytes() != (tmp_path / "b" / f).read_bytes()] == []


@pytest.mark.usefixtures("few")
def test_hostile_names_are_text(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    tables = make_world(seeds=1, detectors=("first-seen", "never"), each=1)
    for frame in tables.values():
        for column in frame.columns.intersection(
            ["detector", "template", "identity", "incident", "stage", "name", "kind", "cause", "reason", "resource"]
        ):
            frame[column] = [f"{HOSTILE}{v}" if v else v for v in frame[column]]
        frame["scenario"] = f"../../{HOSTILE}"
    path = write_report(tables, tmp_path / "out", title=HOSTILE, meta={HOSTILE: HOSTILE})
    raw = path.read_text(encoding="utf-8")
    read = Page(path)
    assert raw.count("<script>") == 1 and "<script>alert" not in raw
    assert "<script>alert(1)</script>$x_{1}$" in read.text
    pictures = re.findall(r"<svg.*?</svg>", raw, flags=re.S)
    assert sum("&lt;script&gt;" in p and "$" in p for p in pictures) >= 5
    assert "\x1b" not in raw and "\u202e" not in raw
    for file in (tmp_path / "out" / "figures").iterdir():
        assert re.fullmatch(r"[a-z0-9-]+\.(svg|pdf)", file.name)
        assert file.suffix == ".pdf" or ET.parse(file) is not None
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


@pytest.mark.usefixtures("words")
def test_no_table_and_empty_tables(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    for name, given in (
        ("none", {}),
        ("empty", {k: v.iloc[:0] for k, v in tables.items()}),
        ("bare", {k: pd.DataFrame() for k in tables}),
    ):
        text = Page(write_report(given, tmp_path / name, title="t", meta={})).text
        assert "There are no results to report." in text and "No incidents." in text and "No alerts." in text


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("lost", ["cells", "summary", "incidents", "stages", "alerts", "curves", "changes"])
def test_any_table_may_be_missing(
    make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path, lost: str
) -> None:
    tables = make_world(seeds=2, detectors=("first-seen",), each=1)
    del tables[lost]
    text = Page(write_report(tables, tmp_path, title="t", meta={})).text
    assert "first-seen" in text and "nan" not in text.lower().split()


@pytest.mark.usefixtures("words")
def test_numbers_may_be_missing(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    tables = make_world(seeds=2, detectors=("first-seen", "rate"), each=1)
    for frame in tables.values():
        for column in frame.select_dtypes("number").columns.difference(["seed"]):
            frame[column] = np.nan
    assert " nan " not in Page(write_report(tables, tmp_path, title="t", meta={})).text


@pytest.mark.usefixtures("words")
def test_all_failed(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    cells = make_world(seeds=2, detectors=("rate",), each=1)["cells"][["scenario", "seed", "detector"]]
    text = Page(
        write_report({"cells": cells.assign(status="failed", reason="boom <b>")}, tmp_path, title="t", meta={})
    ).text
    assert "failed in all 2 runs and has no result (boom <b>)." in text


@pytest.mark.usefixtures("few")
def test_several_scenarios(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    worlds = [make_world(scenario=s, seeds=1, detectors=("first-seen", "rate"), each=1) for s in ("one", "two")]
    both = {k: pd.concat([w[k] for w in worlds], ignore_index=True) for k in worlds[0]}
    read = Page(write_report(both, tmp_path, title="t", meta={}))
    assert {"figure-cost--1-one", "figure-cost--2-two"} <= set(read.attributes("id"))
    assert (tmp_path / "figures" / "cost--2-two.pdf").is_file()
    assert max(Counter(read.attributes("id")).values()) == 1


@pytest.mark.usefixtures("no_figures")
def test_the_best_recall_at_equal_alarms_comes_first(
    make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    """Worlds with few incidents count as much as others in a mean over worlds, but not in the recall of them all."""
    tables = make_world(seeds=2, detectors=("first-seen", "rate"), each=1)
    for table, values in (("summary", (0.5, 0.6)), ("cells", (0.9, 0.8))):
        of = dict(zip(("first-seen", "rate"), values, strict=True))
        tables[table]["recall_at_equal_alarms"] = tables[table]["detector"].map(of)
    text = Page(write_report(tables, tmp_path, title="t", meta={})).text
    assert 0 < text.index("rate catches") < text.index("first-seen catches")


@pytest.mark.usefixtures("no_figures")
def test_every_detector_has_its_alerts(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    tables = make_world(seeds=5, detectors=("first-seen",), each=4)
    assert len(tables["alerts"]) >= 10
    for name in ("cells", "summary", "incidents", "alerts", "curves"):
        copies = [tables[name].assign(detector=f"detector-{i:02}") for i in range(13)]
        tables[name] = pd.concat(copies, ignore_index=True)
    html = write_report(tables, tmp_path, title="t", meta={}).read_text(encoding="utf-8")
    shown = html.partition('<table id="alerts-table"')[2].partition("</table>")[0]
    assert "Up to 9 alerts" in shown
    assert {shown.count(f'<th scope="row">detector-{i:02}</th>') for i in range(13)} == {9}


@pytest.mark.usefixtures("words")
def test_many_detectors(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    tables = make_world(seeds=1, detectors=("first-seen",), each=1)
    for name in ("cells", "summary", "incidents", "alerts", "curves"):
        tables[name] = pd.concat(
            [tables[name].assign(detector=f"detector-{i:02}") for i in range(12)], ignore_index=True
        )
    assert "5 more detectors" in Page(write_report(tables, tmp_path, title="t", meta={})).text


@pytest.mark.usefixtures("words")
def test_ablation_is_drawn_where_it_was_run(make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    tables = make_world(seeds=1, detectors=("first-seen",), each=1)
    row = {"scenario": tables["cells"]["scenario"].iloc[0], "detector": "first-seen", "kind": "stream"}
    lost = {**row, "removed": "cloud_audit", "difference": -0.4, "low": -0.6, "high": -0.1}
    tables["ablation"] = pd.DataFrame([lost, {**row, "removed": "agent", "difference": 0.0}])
    text = write_report(tables, tmp_path, title="t", meta={}).read_text(encoding="utf-8")
    assert "first-seen without cloud audit stream \N{MINUS SIGN}40" in text
    assert "without agent" not in text
    assert (tmp_path / "figures" / "ablation.svg").is_file()


@pytest.mark.usefixtures("no_figures")
def test_only_the_first_findings_are_told_at_once(
    make_world: Callable[..., dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    tables = make_world(seeds=1, detectors=("first-seen",), each=1)
    for name in ("cells", "summary", "incidents", "alerts", "curves"):
        copies = [tables[name].assign(detector=f"detector-{i:02}") for i in range(FINDINGS_TOLD + 3)]
        tables[name] = pd.concat(copies, ignore_index=True)
    text = write_report(tables, tmp_path, title="t", meta={}).read_text(encoding="utf-8")
    told, _, folded = text.partition("<summary>3 more detectors</summary>")
    assert told.count("<li><p>") == FINDINGS_TOLD
    assert folded.count("<li><p>") == 3


def test_alert_report(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    own = tables["alerts"][tables["alerts"]["detector"] == "rate"].drop(
        columns=["incident", "false_alarm", "cause", "scenario", "seed"]
    )
    path = write_alert_report(own, tmp_path, title=HOSTILE, meta={"Records that could not be read": "3"})
    read = Page(path)
    best = own.loc[own["score"].idxmax()]
    assert f"{len(own)} alerts about" in read.text and "no ground truth" in read.text
    assert read.text.index(best["reason"]) > 0 and best["identity"] in read.text
    assert "Records that could not be read 3" in read.text
    assert "<script>alert(1)</script>" in read.text and path.read_text(encoding="utf-8").count("<script>") == 1
    assert (tmp_path / "figures" / "alerts.svg").is_file()
    counts = pd.read_csv(tmp_path / "tables" / "identities.csv")
    assert counts["alerts"].sum() == len(own) and counts["alerts"].is_monotonic_decreasing


@pytest.mark.usefixtures("words")
def test_alert_report_without_alerts_or_identities(tmp_path: Path) -> None:
    assert (
        "No alerts: nothing in this log"
        in Page(write_alert_report(pd.DataFrame(), tmp_path / "a", title="t", meta={})).text
    )
    bare = pd.DataFrame({"score": [1.0, 2.0]})
    assert "2 alerts about one identity." in Page(write_alert_report(bare, tmp_path / "b", title="t", meta={})).text
