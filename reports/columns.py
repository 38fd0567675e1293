"""The result tables: every table, its columns in order, and what kind of value each column holds.

`experiments` makes these tables; reports know nothing else of it.  Times are UTC timestamps (missing: NaT), durations
float seconds, rates per day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from scopedrift.reports.metrics import METRICS, POOLED

Kind = Literal["text", "number", "time", "flag"]
_MARKS: Final[Mapping[str, Kind]] = {"#": "number", "@": "time", "?": "flag"}


def _columns(text: str) -> dict[str, Kind]:
    """Names with a mark behind them: `#` number, `@` time, `?` flag; without one they hold text."""
    return {word.rstrip("#@?"): _MARKS.get(word[-1], "text") for word in text.split()}


_CELL: Final = "scenario seed detector"
TABLES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "cells": _columns(f"{_CELL} reference status reason knowledge run_as {' '.join(f'{name}#' for name in METRICS)}"),
    "incidents": _columns(
        f"""{_CELL} incident label template family strength# identity intent_at@ first_observable_at@ impact_at@
        ended_at@ end_reason in_entitlement? in_scope? detected? detected_at@ delay_s# follow_up_s# stages_passed#
        before_impact? delay_events# events# flagged# alerts# score#"""
    ),
    "stages": _columns(
        "scenario seed incident stage name technique started_at@ ended_at@ outcome in_entitlement? in_scope?"
    ),
    "stage_hits": _columns(f"{_CELL} incident stage name technique events# flagged# detected? flagged_at@"),
    "alerts": _columns(
        f"""{_CELL} identity opened_at@ closed_at@ events# score# incident false_alarm? cause announced operation
        resource reason cold_start?"""
    ),
    "curves": _columns(f"{_CELL} threshold# false_positives_per_day# recall# precision#"),
    "budgets": _columns(f"{_CELL} budget_per_day# threshold# false_positives_per_day# recall# precision#"),
    "changes": _columns("scenario seed change kind announced? start@ end@ identities#"),
    "rules": _columns(
        f"""{_CELL} rule level status reason events# alerts# true_alarms# false_alarms# false_alarms_per_day#
        noise_rank# incidents# caught only"""
    ),
    "worlds": _columns("scenario seed digest events# background"),
    "summary": _columns(
        f"""scenario detector {" ".join(f"{name}{end}#" for name in POOLED for end in ("", "_low", "_high"))}
        seeds# failed# interval sample remarks rank# tied_with minimum_detectable#"""
    ),
    "rule_summary": _columns(
        """scenario detector rule level status reason events# alerts# true_alarms# false_alarms# false_alarms_per_day#
        noise_rank# incidents# caught only"""
    ),
    "ablation": _columns(
        """scenario detector kind removed recall# recall_without# difference# low# high# false_positives_per_day#
        false_positives_per_day_without# worlds# sample"""
    ),
    "log_alerts": _columns(
        "detector identity opened_at@ closed_at@ events# score# time@ operation resource reason record"
    ),
    "deliveries": _columns("scenario detector alerts# uncounted# uncounted_in_test# timed? ranked? words"),
    "matching": _columns("scenario detector outcome alerts# in_test# example"),
    "outside_alerts": _columns(
        f"""{_CELL} place rule level score# raised_at@ happened_at@ delay_s# outcome note window events# identity
        incident reason"""
    ),
    "paired": _columns(
        "scenario detector other incidents# both# only# only_other# neither# false_positives_per_day# other_recall#"
    ),
    "claims": _columns(
        """claim title statement signals world knob setting detector measure value# low# high# worlds# expect
        difference# difference_low# difference_high# verdict"""
    ),
    "log_rules": _columns("detector rule level status reason events# alerts# alerts_per_day# noise_rank#"),
}
"""`cells` to `worlds` come from each evaluation; `summary` and `rule_summary` pool them over worlds; `ablation` is made
on request, `claims` by testing claims; `deliveries`, `matching`, `outside_alerts` and `paired` by judging the alerts of
other systems; `log_alerts` and `log_rules` are of a log without ground truth."""
PER_CELL: Final = tuple(TABLES)[: tuple(TABLES).index("summary")]
"""The tables of one evaluation."""
PER_WORLD: Final = ("stages", "changes", "worlds")
"""Those about the world alone: the same for every detector."""
