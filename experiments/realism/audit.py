"""The log as a whole, as one would describe any audit log; an action is an operation in a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic, first_column
from scopedrift.experiments.realism.tables import LogTables
from scopedrift.simulator.log.events import Array

TOP_ACTIONS = 10
NOVELTY = ((0, 10), (10, 30), (30, 100), (100, 300))
SHORT_LOG = 500
"""Events of an account that are looked at: the published log is 16,500 events of 420 actions."""


def statistics() -> Iterator[Statistic]:
    """The log's statistics."""
    yield Statistic(
        "audit.reads", "Share of reads", "number", "", ("is_read",), _share("access", "read"), of.mean, of.as_coin
    )
    yield Statistic(
        "audit.errors", "Share of failed calls", "number", "", ("failed",), _share("outcome", "error"), of.mean,
        of.as_coin,
    )  # fmt: skip
    yield Statistic(
        "audit.denied", "Share of denied calls", "number", "", ("denied",), _share("outcome", "denied"), of.mean,
        of.as_coin,
    )  # fmt: skip
    yield Statistic(
        "audit.zipf", "Zipf slope of actions", "number", "", ("count",), _counts, of.zipf_slope, of.as_exponential
    )
    yield Statistic(
        "audit.top_actions", "Share of the ten most frequent actions", "number", "", ("count",),
        _counts, of.top_share(TOP_ACTIONS), of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "audit.account_top3", "Share of an account's three most frequent actions", "number", "", ("share",),
        _top_three, of.mean, of.as_uniform_top_three,
    )  # fmt: skip
    yield Statistic(
        "audit.account_actions", "Actions of an account", "distribution", "", ("actions",), _actions, first_column
    )
    yield Statistic(
        "audit.top_accounts", "Share of the busiest tenth of accounts in all events", "number", "", ("events",),
        lambda log: (np.unique(log["identity"], return_counts=True)[1].astype(float),), of.top_share(0.1),
        of.as_exponential,
    )  # fmt: skip
    for low, high in NOVELTY:
        yield Statistic(
            f"audit.novelty_{low}", f"Share of new actions among an account's events {low} to {high}", "number", "",
            ("account", "action"), _sequence, of.novelty(low, high), of.as_independent_codes,
        )  # fmt: skip


def _share(column: str, text: str) -> Callable[[LogTables], Sample]:
    def extract(log: LogTables) -> Sample:
        return (log.matching(column, text).astype(float),)

    return extract


def _action(log: LogTables) -> Array:
    return log["operation"].astype(np.int64) * (len(log.names("project")) + 1) + log["project"]


def _counts(log: LogTables) -> Sample:
    return (np.unique(_action(log), return_counts=True)[1].astype(float),)


def _sequence(log: LogTables) -> Sample:
    """Each account's first events."""
    order = np.argsort(log["identity"], kind="stable")
    who = log["identity"][order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    number = np.arange(len(who)) - np.repeat(starts, np.diff(np.r_[starts, len(who)]))
    early = order[number < SHORT_LOG]
    return log["identity"][early], _action(log)[early]


def _by_account(log: LogTables) -> tuple[Array, Array]:
    """For each pair of account and action: the account and how often."""
    who, what = _sequence(log)
    pairs, counts = np.unique(who.astype(np.int64) * (what.max() + 1) + what, return_counts=True)
    return pairs // (what.max() + 1), counts


def _actions(log: LogTables) -> Sample:
    return (np.unique(_by_account(log)[0], return_counts=True)[1].astype(float),)


def _top_three(log: LogTables) -> Sample:
    """By account: the share of its three most frequent actions, and how many it has."""
    who, counts = _by_account(log)
    order = np.lexsort((-counts, who))
    who, counts = who[order], counts[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    rank = np.arange(len(who)) - np.repeat(starts, sizes)
    top = np.add.reduceat(np.where(rank < 3, counts, 0), starts)
    return top / np.add.reduceat(counts, starts), sizes.astype(float)
