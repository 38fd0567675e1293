"""The sentences of the summary, on cases small enough to check by eye."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from scopedrift.reports.tables import ReportData, normalise
from scopedrift.reports.words import summarise


def case(
    delays: dict[str, list[float]], detector: str = "first-seen", causes: list[str] | None = None, **cell: Any
) -> ReportData:
    """One detector in one world; `delays` are seconds per template, NaN for a miss."""
    start = pd.Timestamp("2026-01-20", tz="UTC")
    rows = [
        {
            "scenario": "s",
            "seed": 1,
            "detector": detector,
            "incident": f"{t}{i}",
            "template": t,
            "detected": not np.isnan(d),
            "delay_s": d,
            "follow_up_s": 1e6,
            "first_observable_at": start,
            "impact_at": start + pd.Timedelta(hours=1),
            "before_impact": d < 3_600,
        }
        for t, found in delays.items()
        for i, d in enumerate(found)
    ]
    caught = sum(r["detected"] for r in rows)
    cells = {
        "scenario": "s",
        "seed": 1,
        "detector": detector,
        "status": "ok",
        "incidents": len(rows),
        "detected": caught,
    }
    cells |= {"budget_per_day": 1.0, "realised_per_day": 1.0, "test_days": 7.0} | cell
    alerts = [{"scenario": "s", "seed": 1, "detector": detector, "false_alarm": True, "cause": c} for c in causes or []]
    summary = (
        [{"scenario": "s", "detector": detector, "recall_low": 5 / 12, "recall_high": 9 / 12}]
        if len(rows) == 12
        else []
    )
    frames = {"cells": pd.DataFrame([cells]), "incidents": pd.DataFrame(rows), "alerts": pd.DataFrame(alerts)}
    return normalise({**frames, "summary": pd.DataFrame(summary)})


def sentence(data: ReportData) -> str:
    return summarise(data, "s").findings[0].text


def remarks(data: ReportData) -> tuple[str, ...]:
    return summarise(data, "s").findings[0].remarks


def test_the_sentence_of_the_design() -> None:
    found = {"copied-account": [np.nan] * 4, "mining": [600, 700, 800, 900], "theft": [2_400, 2_400, 9_000, np.nan]}
    text = sentence(case(found, causes=["registry-migration"] * 61 + ["baseline"] * 39))
    assert text == (
        "At a budget of one false alarm a day, first-seen catches 7 of 12 incidents (95 % interval 5 to 9), "
        "half of all 12 within 40 minutes, but none of the kind copied-account. "
        "Six of the 7 were caught before the impact. In the test window it raised 1 false alarm a day. "
        "Registry migrations cause 61 % of its false alarms."
    )


def test_a_median_that_is_not_reached_is_said() -> None:
    text = sentence(case({"a": [60, 120, np.nan, np.nan, np.nan]}))
    assert "half of all" not in text
    assert (
        "It caught fewer than half, so there is no median time to detect; it caught a quarter of all within 2 minutes."
    ) in text


def test_nothing_caught() -> None:
    text = sentence(case({"a": [np.nan] * 3, "b": [np.nan]}))
    assert "first-seen catches none of 4 incidents." in text
    assert "half" not in text and "none of kind" not in text and "before the impact" not in text


def test_everything_caught() -> None:
    text = sentence(case({"a": [30] * 3}))
    assert "catches all 3 incidents, half of all 3 within a minute. All were caught before the impact." in text


def test_no_incident() -> None:
    data = case({}, causes=["baseline"])
    assert sentence(data).startswith("first-seen had nothing to catch: the test window holds no observable incident.")
    assert "Ordinary work causes its only false alarm." in sentence(data)
    assert remarks(data) == ()


def test_resampling_that_shows_no_doubt_is_not_quoted() -> None:
    for time, recall in ((np.nan, 0.0), (30.0, 1.0)):
        data = case({"a": [time] * 12})
        assert "95 % interval 5 to 9" in sentence(data)
        data.summary["recall_low"] = data.summary["recall_high"] = recall
        assert "interval" not in sentence(data)


def test_false_alarms_during_incidents() -> None:
    text = sentence(case({"a": [30]}, causes=["during incident"] * 3 + ["baseline"]))
    assert "Alerts during incident make 75 % of its false alarms." in text


def test_few_worlds_promise_nothing(make_world: Callable[..., dict[str, pd.DataFrame]]) -> None:
    said = "This is too few worlds for any difference between two detectors to be significant."
    detectors = ("first-seen", "rate", "peer-group", "never")
    for seeds, found in ((1, False), (2, True), (5, True), (6, False)):
        tables = make_world(seeds=seeds, detectors=detectors, each=1)
        assert (said in summarise(normalise(tables), "core-week").opening) == found
    assert summarise(normalise(tables), "core-week").opening.endswith(
        " With this many worlds, a true difference in recall at equal false alarms of 0.2 is found four times in five"
        " (median over pairs)."
        " Fewer than 30 worlds are a small sample."
    )
    tables["summary"]["minimum_detectable"] = np.nan  # there was nothing to compare
    assert summarise(normalise(tables), "core-week").opening.endswith("of test.")


def test_more_that_are_caught_by_estimate_than_by_count_are_called_so() -> None:
    data = case({"a": [60, 120] + [np.nan] * 3})
    assert "half" not in sentence(data).replace("fewer than half", "")
    data.incidents.loc[~data.incidents["detected"], "follow_up_s"] = 1.0  # they ended at once, unseen
    assert "catches 2 of 5 incidents, an estimated half of all 5 within" in " ".join(sentence(data).split())


def test_references_where_there_is_no_incident() -> None:
    words = summarise(case({}, detector="never", reference="alerts on nothing", realised_per_day=0.0), "s")
    assert "never, which alerts on nothing, raises no false alarm" in words.references


def test_small_samples_and_single_worlds_are_labelled() -> None:
    assert remarks(case({"a": [30, np.nan]})) == (
        "Small sample: two incidents.",
        "One world only: another seed may give another result.",
    )
    assert remarks(case({"a": [30.0] * 4 + [np.nan] * 30}))[0] == "Small sample: only four caught."
    assert len(remarks(case({"a": [30.0] * 40}))) == 1


def test_much_abstention_is_said() -> None:
    def said(abstained: int) -> str:
        return sentence(case({"a": [30.0]}, abstained=abstained, events=1000))

    assert said(1000).endswith("It abstained on every event, so these figures say nothing about it.")
    assert said(999).endswith("It abstained on >99 % of all events.") and "on 62 % of all events." in said(620)
    assert "abstained" not in said(499)


def test_overspending_is_said() -> None:
    assert "it raised 2.3 false alarms a day, 2.3 times its budget." in sentence(case({"a": [1]}, realised_per_day=2.3))
    assert "it raised 0.5 false alarms a day, less than its budget." in sentence(case({"a": [1]}, realised_per_day=0.5))
    assert "it raised no false alarm, less than its budget." in sentence(case({"a": [1]}, realised_per_day=0.0))


def test_a_failed_detector_says_why() -> None:
    data = case({}, status="failed", reason="ValueError: no\nsuch column", incidents=np.nan, detected=np.nan)
    assert sentence(data) == "first-seen failed in its only run and has no result (ValueError: no such column)."


def test_some_failures_are_a_remark(make_world: Callable[..., dict[str, pd.DataFrame]]) -> None:
    words = summarise(normalise(make_world()), "core-week")
    own = next(f for f in words.findings if f.detector == "peer-group")
    assert "of 48 incidents" in own.text
    assert own.remarks[0].startswith("Failed in 1 of 5 runs (MemoryError")


def test_references_are_apart(make_world: Callable[..., dict[str, pd.DataFrame]]) -> None:
    words = summarise(normalise(make_world()), "core-week")
    assert {f.detector for f in words.findings} == {
        "declared-policy",
        "first-seen",
        "peer-group",
        "rate",
        "isolation-forest",
    }
    assert "never, which alerts on nothing, catches none of 60 incidents without a false alarm" in words.references
    assert "oracle, which is told the truth and checks the plumbing only, catches all 60 incidents" in words.references
    assert words.opening == (
        "Five detectors under test, 60 incidents in 5 simulated worlds over 70 days of test."
        " This is too few worlds for any difference between two detectors to be significant."
    )


def test_a_test_of_an_hour_is_no_fraction_of_a_day(make_world: Callable[..., dict[str, pd.DataFrame]]) -> None:
    world = make_world()
    cells = world["cells"].assign(test_days=1 / 120)
    assert " over one hour of test." in summarise(normalise({**world, "cells": cells}), "core-week").opening
    cells = world["cells"].assign(test_days=1 / world["cells"]["seed"].nunique())
    assert " over one day of test." in summarise(normalise({**world, "cells": cells}), "core-week").opening


def test_no_table_at_all() -> None:
    words = summarise(normalise({}), "")
    assert (words.opening, words.findings, words.references) == ("There are no results to report.", (), "")
