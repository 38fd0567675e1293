"""Incidents that call in the order of benign tasks pass; a reversed order is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scopedrift.experiments.audit import Subject, order

Edited = Callable[..., Subject]


def _in_pairs(columns: dict[str, Any], bad: Any) -> None:
    """Every task calls 0 and then 1."""
    sequence = np.lexsort((columns["time"], columns["task"]))
    starts = np.diff(columns["task"][sequence], prepend=-9) != 0
    columns["operation"][sequence] = np.where(starts, 0, 1)
    columns["task_kind"][:] = 0


def test_benign_runs_call_in_the_order_of_benign_tasks(clean: Subject) -> None:
    assert order.calls_are_in_order(clean).verdict in ("pass", "too small")


def test_the_same_order_passes(clean: Subject, edited: Edited) -> None:
    row = order.calls_are_in_order(edited(clean, _in_pairs))
    assert row.verdict == "pass" and "1 pairs" in row.seen and "false alarms" in row.expected


def test_a_reversed_order_is_caught(clean: Subject, edited: Edited) -> None:
    def reversed_order(columns: dict[str, Any], bad: Any) -> None:
        _in_pairs(columns, bad)
        columns["operation"][bad] = 1 - columns["operation"][bad]

    row = order.calls_are_in_order(edited(clean, reversed_order))
    assert row.verdict == "fail" and " before " in row.seen


def test_an_incident_in_many_tasks_counts_by_its_share_of_them(clean: Subject, edited: Edited) -> None:
    """Two thirds of all tasks, of incidents as of benign work, call in the one order: nothing to tell."""

    def mostly_in_order(columns: dict[str, Any], bad: Any) -> None:
        _in_pairs(columns, bad)
        other = columns["task"] % 3 == 0
        columns["operation"][other] = 1 - columns["operation"][other]

    assert order.calls_are_in_order(edited(clean, mostly_in_order)).verdict == "pass"
