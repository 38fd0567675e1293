"""The results in sentences: what to know before looking at any figure.

Counts are over all seeds. The time to detect is the Kaplan-Meier median over all incidents, caught or not, so a
detector that misses the slow ones does not look fast. Small samples and failures are named, and reference detectors are
described apart from the detectors under test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from scopedrift.reports.order import HEADLINE
from scopedrift.reports.survival import survival
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import (
    AROUND,
    capital,
    cause_words,
    clean,
    count_words,
    duration_words,
    listed,
    number,
    percent,
    rate_words,
    short,
)

FEW_INCIDENTS, FEW_CAUGHT = 30, 5  # below these, a sample is called small
MUCH_ABSTAINED = 0.5  # share of all events from which abstentions are mentioned
ENOUGH_WORLDS = 30
ALPHA = 0.05
"""The least p-value that so many worlds can give must be below it."""


@dataclass(frozen=True)
class Finding:
    """What one detector achieved: the words before and after its name, and remarks on how far to trust them."""

    lead: str
    detector: str
    rest: str
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return f"{self.lead}{self.detector}{self.rest}"


@dataclass(frozen=True)
class Words:
    """The summary of one scenario."""

    scenario: str
    opening: str
    findings: tuple[Finding, ...]
    references: str


@dataclass(frozen=True)
class Counts:
    """One detector's totals over the seeds in which it did not fail."""

    seeds: int
    failed: int
    reason: str
    incidents: int
    caught: int
    budget: float
    realised: float
    low: float
    high: float
    equal: float
    """Incidents caught at equal false alarms; NaN: unknown."""
    equal_low: float
    equal_high: float
    abstained: float
    """Share of events without a score."""
    outside: bool = False
    """Whether another system raised its alerts, by a threshold of its own."""


def summarise(data: ReportData, scenario: str) -> Words:
    """Return the words for the rows of one scenario (`data` holds that scenario only)."""
    totals = {d: count(data, d) for d in data.detectors}
    findings = tuple(find(data, d, totals[d]) for d in data.real_detectors)
    references = [_reference(d, what, totals[d]) for d, what in data.references.items()]
    text = f"For comparison, on the same worlds: {'; '.join(references)}." if references else ""
    return Words(scenario, _opening(data, totals), findings, text)


def count(data: ReportData, detector: str) -> Counts:
    """Add up one detector's cells; without cells, its incidents."""
    cells = data.cells[data.cells["detector"] == detector]
    failed = cells[cells["status"] == "failed"]
    fine = cells[cells["status"] != "failed"]
    summary = data.summary[data.summary["detector"] == detector]
    rows = data.incidents[data.incidents["detector"] == detector]
    if fine["incidents"].notna().any():
        incidents, caught = int(fine["incidents"].sum()), int(fine["detected"].sum())
    else:
        incidents, caught = len(rows), int(rows["detected"].sum())
    realised = fine["realised_per_day"].fillna(fine["false_positives_per_day"]).mean()
    return Counts(
        seeds=len(fine) if len(cells) else rows["seed"].nunique(),
        failed=len(failed),
        reason=next((r for r in failed["reason"] if r), ""),
        incidents=incidents,
        caught=caught,
        budget=float(fine["budget_per_day"].median()) if fine["budget_per_day"].notna().any() else math.nan,
        realised=_first(summary, "realised_per_day", realised),
        low=_first(summary, "recall_low") * incidents,
        high=_first(summary, "recall_high") * incidents,
        equal=_first(summary, HEADLINE) * incidents,
        equal_low=_first(summary, f"{HEADLINE}_low") * incidents,
        equal_high=_first(summary, f"{HEADLINE}_high") * incidents,
        abstained=float(fine["abstained"].sum() / max(fine["events"].sum(), 1)),
        outside=bool((fine["run_as"] == "outside").any()),
    )


def find(data: ReportData, detector: str, total: Counts) -> Finding:
    """Put one detector's results into words."""
    if total.failed and not total.seeds:
        where = "its only run" if total.failed == 1 else f"all {total.failed} runs"
        return Finding("", detector, f" failed in {where} and has no result{_because(total.reason)}.")
    rows = data.incidents[data.incidents["detector"] == detector]
    if total.incidents:
        lead = f"At a budget of {rate_words(total.budget)}, " if total.budget > 0 and not total.outside else ""
        fast, slow = _speed(rows, total)
        parts = [_share(total.caught, total.incidents) + _interval(total.low, total.high), *fast, *_kinds(rows, total)]
        sentences = [f" catches {', '.join(parts)}."]
        if lead and math.isfinite(total.equal):
            lead = f"At {rate_words(total.budget)} in the test window, "
            equal = _share(round(total.equal), total.incidents) + _interval(total.equal_low, total.equal_high)
            sentences = [f" catches {equal}.", f"Its threshold, set before the test, catches {', '.join(parts)}."]
        if total.caught and rows["impact_at"].notna().any():
            early = _part(int(rows.loc[rows["detected"], "before_impact"].sum()), total.caught)
            of_all = "" if early in ("all", "none") or total.caught == 1 else f" of the {total.caught:,}"
            verb = "was" if early in ("one", "none") else "were"
            sentences.append(f"{capital(early)}{of_all} {verb} caught before the impact.")
        sentences += slow
    else:
        lead, sentences = "", [" had nothing to catch: the test window holds no observable incident."]
    sentences += [*_price(data, detector, total), *_abstained(total), *_delivered(data, detector)]
    return Finding(lead, detector, " ".join(sentences), tuple(_remarks(total)))


def _share(caught: int, incidents: int) -> str:
    noun = "incident" if incidents == 1 else "incidents"
    if caught == 0:
        return f"none of {incidents:,} {noun}"
    if caught == incidents:
        return f"the only {noun}" if incidents == 1 else f"all {incidents:,} {noun}"
    return f"{caught:,} of {incidents:,} {noun}"


def _interval(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)) or round(low) == round(high):
        return ""
    return f" (95 % interval {round(low):,} to {round(high):,})"


def _speed(rows: pd.DataFrame, total: Counts) -> tuple[list[str], list[str]]:
    """How fast: part of the sentence if half of all incidents are caught, else a sentence that says why not."""
    curve = survival(rows)
    if not curve.count or not total.caught:
        return [], []
    median, quarter = curve.quantile(0.5), curve.quantile(0.25)
    if total.incidents == 1 and math.isfinite(median):
        return [_within(median)], []
    if math.isfinite(median):
        share = "half" if 2 * total.caught >= total.incidents else "an estimated half"  # some ended unseen, early
        return [f"{share} of all {total.incidents:,} {_within(median)}"], []
    sooner = f"; it caught a quarter of all {_within(quarter)}" if math.isfinite(quarter) else ""
    return [], [f"It caught fewer than half, so there is no median time to detect{sooner}."]


def _within(seconds: float) -> str:
    return "within a minute" if seconds <= 60 else f"within {duration_words(seconds)}"


def _kinds(rows: pd.DataFrame, total: Counts) -> list[str]:
    counts = rows.groupby("template")["detected"].agg(["sum", "size"])
    if not total.caught or len(counts) < 2:
        return []
    missed = [clean(t) for t in counts.index[(counts["sum"] == 0)]]
    kinds = "kind" if len(missed) == 1 else "kinds"
    return [f"but none of the {kinds} {listed(missed)}"] if missed else []


def _part(part: int, whole: int) -> str:
    return "none" if part == 0 else "all" if part == whole and whole > 1 else count_words(part)


def _price(data: ReportData, detector: str, total: Counts) -> list[str]:
    sentences = []
    if math.isfinite(total.realised):
        sentences.append(f"In the test window it raised {_a_day(total.realised)}{_against(total)}.")
    alarms = data.alerts[(data.alerts["detector"] == detector) & data.alerts["false_alarm"]]
    causes = alarms["cause"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(causes) and causes.index[0] != "":
        cause, alone = str(causes.index[0]), len(causes) == 1
        words = f"Alerts {cause}" if cause.startswith(AROUND) else capital(cause_words(cause))
        verb = "causes" if cause == "baseline" else "make" if words.startswith("Alerts ") else "cause"
        size = "all" if alone else percent(float(causes.iloc[0] / causes.sum()))
        sentences.append(
            f"{words} {verb} {size} of its false alarms."
            if causes.sum() > 1
            else f"{words} {verb} its only false alarm."
        )
    return sentences


def _abstained(total: Counts) -> list[str]:
    if total.abstained == 1:
        return ["It abstained on every event, so these figures say nothing about it."]
    return [f"It abstained on {percent(total.abstained)} of all events."] if total.abstained >= MUCH_ABSTAINED else []


def _delivered(data: ReportData, detector: str) -> list[str]:
    """For another system: what its scores and times are worth, and the alerts that no figure holds."""
    sentences: list[str] = []
    for row in data.deliveries[data.deliveries["detector"] == detector].to_dict("records"):
        if row["words"]:
            sentences.append(f"{capital(row['words'])}.")
        if row["alerts"] and not row["ranked"]:
            sentences.append(
                "Its alerts have no scores to order them, so this is one operating point, without a curve."
            )
        if row["uncounted"]:
            left = f"{number(row['uncounted'], 9)} of its {number(row['alerts'], 9)} alerts cannot be counted"
            here = (
                f": at worst, {number(row['uncounted_in_test'], 9)} more false alarms"
                if row["uncounted_in_test"]
                else ""
            )
            sentences.append(f"{left}{here}.")
    return sentences


def _a_day(realised: float) -> str:
    return _alarms(realised) + (" a day" if realised > 0 else "")


def _alarms(amount: float) -> str:
    text = number(amount)
    return "no false alarm" if text == "0" else f"{text} false alarm{'' if text == '1' else 's'}"


def _against(total: Counts) -> str:
    if not total.budget > 0 or math.isclose(total.realised, total.budget, rel_tol=0.1):
        return ""
    ratio, whose = total.realised / total.budget, "the" if total.outside else "its"
    if ratio > 1:
        return f", {number(ratio)} times {whose} budget" if ratio >= 1.25 else f", a little over {whose} budget"
    return f", less than {whose} budget"


def _remarks(total: Counts) -> list[str]:
    remarks = []
    if total.failed:
        runs = f"{total.failed} of {total.failed + total.seeds} runs"
        remarks.append(f"Failed in {runs}{_because(total.reason)}; the counts cover the other runs.")
    if 0 < total.incidents < FEW_INCIDENTS:
        remarks.append(f"Small sample: {count_words(total.incidents)} incident{'' if total.incidents == 1 else 's'}.")
    elif 0 < total.caught < FEW_CAUGHT:
        remarks.append(f"Small sample: only {count_words(total.caught)} caught.")
    if total.seeds == 1 and total.incidents:
        remarks.append("One world only: another seed may give another result.")
    return remarks


def _because(reason: str) -> str:
    return f" ({short(reason, 160)})" if reason else ""


def _reference(detector: str, what: str, total: Counts) -> str:
    if total.failed and not total.seeds:
        return f"{detector} failed{_because(total.reason)}"
    known = not math.isnan(total.realised)
    if not total.incidents:
        return f"{detector}, which {what}" + (f", raises {_a_day(total.realised)}" if known else "")
    cost = f" at {_a_day(total.realised)}" if known else ""
    cost = " without a false alarm" if total.realised == 0 else cost
    return f"{detector}, which {what}, catches {_share(total.caught, total.incidents)}{cost}"


def _opening(data: ReportData, totals: dict[str, Counts]) -> str:
    incidents = max((t.incidents for t in totals.values()), default=0)
    seeds = max((t.seeds + t.failed for t in totals.values()), default=0)
    tested = len(data.real_detectors)
    if not totals:
        return "There are no results to report."
    days = data.cells.groupby("seed")["test_days"].max().sum()
    told = number(days, 3)
    length = ("one day" if told == "1" else f"{told} days") if days >= 1 else duration_words(days * 86_400)
    spent = f" over {length} of test" if days > 0 else ""
    worlds = f"{seeds} simulated worlds" if seeds != 1 else "one simulated world"
    worlds = "one real log" if seeds == 1 and (data.worlds["background"] == "real").any() else worlds
    noun = "incident" if incidents == 1 else "incidents"
    detectors = f"{capital(count_words(tested))} detector{'' if tested == 1 else 's'} under test"
    return f"{detectors}, {incidents:,} {noun} in {worlds}{spent}.{_resolution(data, seeds)}"


def _resolution(data: ReportData, seeds: int) -> str:
    """Which differences between detectors this number of worlds can show."""
    least_p = 2.0 ** (1 - seeds)  # of an exchange of names within worlds
    if min(len(data.real_detectors), seeds) > 1 and least_p >= ALPHA:
        return " This is too few worlds for any difference between two detectors to be significant."
    least = data.summary["minimum_detectable"].median()
    if not math.isfinite(least):
        return ""
    small = f" Fewer than {ENOUGH_WORLDS} worlds are a small sample." if seeds < ENOUGH_WORLDS else ""
    found = f"a true difference in recall at equal false alarms of {number(least)} is found four times in five"
    return f" With this many worlds, {found} (median over pairs).{small}"


def _first(frame: pd.DataFrame, column: str, otherwise: float = math.nan) -> float:
    value = float(frame[column].iloc[0]) if len(frame) else math.nan
    return value if math.isfinite(value) else float(otherwise)
