"""Online inference as its log shows it; a service stands for a client of the published traces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scopedrift.experiments.realism import habits
from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic
from scopedrift.experiments.realism.tables import LogTables

LEAST_GAPS = 5


def statistics() -> Iterator[Statistic]:
    """The family's statistics."""
    counts = ("requests",)
    yield Statistic(
        "inference.top_client", "Share of the busiest client in all requests", "number", "", counts,
        _requests, of.top_share(1), of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "inference.top_tenth", "Share of the busiest tenth of clients", "number", "", counts,
        _requests, of.top_share(0.1), of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "inference.gini", "Gini coefficient of requests per client", "number", "", counts,
        _requests, of.gini, of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "inference.gap_cv", "Coefficient of variation of a client's gaps in a 10-minute window", "distribution", "",
        ("client", "time"), _arrivals, of.gap_cv(LEAST_GAPS), None,
    )  # fmt: skip
    yield Statistic(
        "inference.active", "Share of 10-minute windows in which a client is active", "distribution", "",
        ("client", "time"), _arrivals_by_client, of.active_share, None,
    )  # fmt: skip
    yield Statistic(
        "inference.busiest_variation", "Coefficient of variation of the busiest client's gaps", "number", "",
        ("client", "time"), _arrivals_by_client, habits.busiest_variation, habits.as_steady,
    )  # fmt: skip
    yield Statistic(
        "inference.busiest_fano", "Fano factor of the busiest client's requests per minute", "number", "",
        ("client", "time"), _arrivals_by_client, habits.busiest_fano_minute, habits.as_steady,
    )  # fmt: skip
    yield Statistic(
        "inference.failures", "Share of requests that fail", "number", "", ("failed",), _failures, of.mean, of.as_coin
    )


def _requests(log: LogTables) -> Sample:
    return (np.unique(log.of_kind("request").workload, return_counts=True)[1].astype(float),)


def _arrivals(log: LogTables) -> Sample:
    """By client and window: 'whose' is both."""
    tasks = log.of_kind("request")
    window = (tasks.first // of.WINDOW_S).astype(np.int64)
    return tasks.workload.astype(np.int64) * 1_000_000 + window, tasks.first


def _arrivals_by_client(log: LogTables) -> Sample:
    tasks = log.of_kind("request")
    return tasks.workload, tasks.first


def _failures(log: LogTables) -> Sample:
    calls = log.matching("operation", "InvokeEndpoint")
    return ((log["outcome"][calls] != log.code("outcome", "success")).astype(float),)
