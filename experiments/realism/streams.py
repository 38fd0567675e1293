"""The streams of audit records, each on its own, as one would describe any audit log.

An action is an operation in a project.  Where it matters how long a log is, only the first `SHORT_LOG` events of each
account are looked at: the published logs are short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from scopedrift.experiments.realism import habits
from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic, first_column
from scopedrift.experiments.realism.tables import LogTables
from scopedrift.simulator.log.events import Array

STREAMS: Final[Mapping[str, tuple[str, str]]] = {
    "kubernetes": ("kubernetes_audit", "Kubernetes audit"),
    "cloud": ("cloud_audit", "cloud audit"),
}
"""By family of statistics: the stream of events, and how texts call it."""
TOP_ACTIONS: Final = 10
NOVELTY: Final = ((0, 10), (10, 30), (30, 100), (100, 300))
SHORT_LOG: Final = 500
"""Events of an account that are looked at: the published Kubernetes log is 16,500 events of 46 accounts."""


def statistics() -> Iterator[Statistic]:
    """The statistics of every stream."""
    for family, (stream, name) in STREAMS.items():
        yield from _marginals(family, stream, name)
        yield from _habits(family, stream, name)


def _marginals(family: str, stream: str, name: str) -> Iterator[Statistic]:
    def number(what: str, about: str, columns: tuple[str, ...], sample: Callable[[LogTables], Sample],
               reduce: Callable[[Sample], float], straw: Callable[[Sample], Sample]) -> Statistic:  # fmt: skip
        return Statistic(
            f"{family}.{what}", f"{about} ({name})", "number", "", columns, _on(stream, sample), reduce, straw
        )

    for what, about, column, text in (
        ("reads", "Share of reads", "access", "read"),
        ("errors", "Share of failed calls", "outcome", "error"),
        ("denied", "Share of denied calls", "outcome", "denied"),
    ):
        yield number(what, about, ("is_" + text,), _share(column, text), of.mean, of.as_coin)
    yield number("zipf", "Zipf slope of actions", ("count",), _counts, of.zipf_slope, of.as_exponential)
    yield number(
        "top_actions", "Share of the ten most frequent actions", ("count",), _counts, of.top_share(TOP_ACTIONS),
        of.as_exponential,
    )  # fmt: skip
    yield number(
        "account_top3", "Share of an account's three most frequent actions", ("share",), _top_three, of.mean,
        of.as_uniform_top_three,
    )  # fmt: skip
    yield Statistic(
        f"{family}.account_actions", f"Actions of an account ({name})", "distribution", "", ("actions",),
        _on(stream, _actions), first_column,
    )  # fmt: skip
    yield number(
        "top_accounts", "Share of the busiest tenth of accounts in all events", ("events",), _events,
        of.top_share(0.1), of.as_exponential,
    )  # fmt: skip
    for low, high in NOVELTY:
        yield number(
            f"novelty_{low}", f"Share of new actions among an account's events {low} to {high}",
            ("account", "action"), _sequence, of.novelty(low, high), of.as_independent_codes,
        )  # fmt: skip


def _habits(family: str, stream: str, name: str) -> Iterator[Statistic]:
    calls, steps, objects = ("account", "action", "failed"), ("account", "action"), ("account", "object")
    for what, about, columns, sample, reduce, straw in (
        ("failures_repeat", "Share of calls that fail after the account's previous call failed", calls, _calls,
         habits.repeated_failures, habits.as_any_call),
        ("never_fail", "Share of pairs of account and action that never fail", calls, _calls,
         habits.pairs_that(fail=False), habits.as_any_call),
        ("always_fail", "Share of pairs of account and action that always fail", calls, _calls,
         habits.pairs_that(fail=True), habits.as_any_call),
        ("next_entropy", "Entropy of an account's next action given its previous one, in bits", steps, _sequence,
         of.conditional_entropy, of.as_shuffled),
        ("objects", "Distinct objects per event, in 40 events of an account", objects, _objects,
         habits.distinct_objects, habits.as_one_account),
        ("operations", "Different operations", ("account", "operation"), _operations,
         habits.distinct_actions, habits.as_one_account),
    ):  # fmt: skip
        yield Statistic(
            f"{family}.{what}", f"{about} ({name})", "number", "", columns, _on(stream, sample), reduce, straw
        )


def _on(stream: str, sample: Callable[[LogTables], Sample]) -> Callable[[LogTables], Sample]:
    return lambda log: sample(log.of_stream(stream))


def _share(column: str, text: str) -> Callable[[LogTables], Sample]:
    return lambda log: (log.matching(column, text).astype(float),)


def _action(log: LogTables) -> Array:
    """Numbers from 0, also where there is no project, or no operation."""
    return (log["operation"].astype(np.int64) + 1) * (len(log.names("project")) + 1) + log["project"] + 1


def _counts(log: LogTables) -> Sample:
    return (np.unique(_action(log), return_counts=True)[1].astype(float),)


def _events(log: LogTables) -> Sample:
    return (np.unique(log["identity"], return_counts=True)[1].astype(float),)


def _early(log: LogTables) -> Array:
    """The places of each account's first events, account by account."""
    who = log["identity"]
    order = np.argsort(who, kind="stable")
    who = who[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.empty(0, np.int64)
    number = np.arange(len(who)) - np.repeat(starts, np.diff(np.r_[starts, len(who)]))
    return order[number < SHORT_LOG]


def _sequence(log: LogTables) -> Sample:
    early = _early(log)
    return log["identity"][early], _action(log)[early]


def _calls(log: LogTables) -> Sample:
    early = _early(log)
    return (*_sequence(log), (log["outcome"][early] != log.code("outcome", "success")).astype(float))


def _objects(log: LogTables) -> Sample:
    early = _early(log)
    return log["identity"][early], log["resource"][early]


def _operations(log: LogTables) -> Sample:
    return log["identity"], log["operation"]


def _by_account(log: LogTables) -> tuple[Array, Array]:
    """For each pair of account and action: the account and how often."""
    who, what = _sequence(log)
    kinds = int(what.max(initial=0)) + 1
    pairs, counts = np.unique(who.astype(np.int64) * kinds + what, return_counts=True)
    return pairs // kinds, counts


def _actions(log: LogTables) -> Sample:
    return (np.unique(_by_account(log)[0], return_counts=True)[1].astype(float),)


def _top_three(log: LogTables) -> Sample:
    """By account: the share of its three most frequent actions, and how many it has."""
    who, counts = _by_account(log)
    order = np.lexsort((-counts, who))
    who, counts = who[order], counts[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(who)])
    rank = np.arange(len(who)) - np.repeat(starts, sizes)
    if not len(who):
        return np.empty(0), np.empty(0)
    top = np.add.reduceat(np.where(rank < 3, counts, 0), starts)
    return top / np.add.reduceat(counts, starts), sizes.astype(float)
