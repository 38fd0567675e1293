"""Serverless functions as their log shows them; an application is one function here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic, first_column
from scopedrift.experiments.realism.tables import LogTables, per_group
from scopedrift.simulator.log.events import Array

STARTS = ("GetParameters", "GetInstanceIdentity", "GetCallerIdentity")
"""Calls of a start-up flow that are not authentication."""


def statistics() -> Iterator[Statistic]:
    """The family's statistics."""
    yield Statistic(
        "serverless.duration", "Typical execution time of a function", "distribution", "s", ("seconds",),
        _durations, first_column,
    )  # fmt: skip
    yield Statistic(
        "serverless.per_day", "Invocations of a function per day", "distribution", "1/day", ("per_day",),
        lambda log: (_per_day(log),), first_column,
    )  # fmt: skip
    yield Statistic(
        "serverless.popularity", "Share of the busiest tenth of functions in all invocations", "number", "",
        ("per_day",), lambda log: (_per_day(log),), of.top_share(0.1), of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "serverless.gap_cv", "Coefficient of variation of a function's gaps", "distribution", "",
        ("function", "time"), _arrivals, of.gap_cv(), None,
    )  # fmt: skip


def _durations(log: LogTables) -> Sample:
    """By function, over invocations with three calls of work or more; n evenly paced calls span (n - 1) / n of it."""
    span, count = log.span_of(
        log.matching("stream", "cloud_audit") & ~log.matching("access", "auth") & ~log.matching("operation", *STARTS)
    )
    kept = log.kind_mask("invocation") & (count >= 3)
    length = span[kept] * count[kept] / (count[kept] - 1)
    return (per_group(log.tasks.workload[kept], length, np.median),)


def _per_day(log: LogTables) -> Array:
    tasks = log.of_kind("invocation")
    return np.asarray(np.unique(tasks.workload, return_counts=True)[1] / log.days)


def _arrivals(log: LogTables) -> Sample:
    tasks = log.of_kind("invocation")
    return tasks.workload, tasks.first
