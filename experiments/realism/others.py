"""Evaluation jobs, CI jobs, agents and credentials as their log shows them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic, first_column, shares
from scopedrift.experiments.realism.tables import LogTables
from scopedrift.simulator.log.events import Array

CI = ("test", "build", "scheduled", "release")
AGENTS = ("code", "analysis", "support", "operations")
DAYS_A_MONTH = 30.0


def evaluation() -> Iterator[Statistic]:
    """Evaluation jobs."""
    yield Statistic(
        "evaluation.duration", "Duration of an evaluation job", "distribution", "s", ("seconds",),
        lambda log: (log.of_kind("evaluation").length(),), first_column,
    )  # fmt: skip
    yield Statistic(
        "evaluation.share", "Share of evaluation in GPU jobs", "number", "", ("is_evaluation",), _evaluated, of.mean,
        of.as_thirds,
    )  # fmt: skip


def _evaluated(log: LogTables) -> Sample:
    """Of training and evaluation jobs, which are for evaluation."""
    kind = log.tasks.kind
    jobs = np.isin(kind, log.codes("task_kind", ("train", "evaluation")))
    return ((kind[jobs] == log.code("task_kind", "evaluation")).astype(float),)


def runners() -> Iterator[Statistic]:
    """CI jobs; a build is a job that starts a tenant's matrix, here every job of its own minute."""
    yield from of.daily("runners", "CI builds", _builds)
    yield Statistic(
        "runners.fano_hour", "Fano factor of CI builds per hour", "number", "", ("time",),
        _builds, of.fano(3600.0), of.as_poisson,
    )  # fmt: skip
    yield Statistic(
        "runners.fano_residual", "The same without the hour of the week", "number", "", ("time",),
        _builds, of.residual_fano, of.as_poisson,
    )  # fmt: skip
    yield Statistic(
        "runners.per_project", "CI builds of a project per month", "distribution", "1/month", ("builds",),
        _per_project, first_column,
    )  # fmt: skip
    yield Statistic(
        "runners.top_tenth", "Share of the busiest tenth of projects in all CI builds", "number", "", ("builds",),
        _per_project, of.top_share(0.1), of.as_exponential,
    )  # fmt: skip
    yield Statistic(
        "runners.duration", "Duration of a CI job", "distribution", "s", ("seconds",),
        lambda log: (log.of_kind(*CI).length(),), first_column,
    )  # fmt: skip


def agents() -> Iterator[Statistic]:
    """Agent sessions; the tool is the operation of an `execute_tool` span."""
    yield Statistic(
        "agents.session_calls", "Tool calls of a session", "distribution", "", ("calls",), _session_calls, first_column
    )
    yield Statistic(
        "agents.tools", "Tools of coding sessions", "shares", "", ("tool",),
        lambda log: (_tools(log)[1],), shares, of.as_uniform_categories,
    )  # fmt: skip
    whose = ("session", "tool")
    yield Statistic(
        "agents.self_transition", "Share of tool calls that repeat the tool before (cloud effects counted)", "number",
        "", whose, _steps, of.self_transition, of.as_shuffled,
    )  # fmt: skip
    yield Statistic(
        "agents.entropy", "Entropy of what agents do", "number", "bit", whose, _steps, of.entropy, of.as_independent
    )
    yield Statistic(
        "agents.conditional_entropy", "Entropy given the step before", "number", "bit", whose,
        _steps, of.conditional_entropy, of.as_shuffled,
    )  # fmt: skip


def credentials() -> Iterator[Statistic]:
    """Credentials, by the stream of their issuance."""
    yield Statistic(
        "credentials.renewal", "Time between two renewals of an X.509-SVID", "distribution", "s", ("seconds",),
        _renewals, first_column,
    )  # fmt: skip


def _builds(log: LogTables) -> Sample:
    return (_started(log)[0] + log.week_offset,)


def _per_project(log: LogTables) -> Sample:
    return (np.unique(_started(log)[1], return_counts=True)[1] * DAYS_A_MONTH / log.days,)


def _started(log: LogTables) -> tuple[Array, Array]:
    """When each build started, and for whom (a code)."""
    tasks = log.of_kind(*CI)
    behalf = log.first_value("on_behalf_of")[log.kind_mask(*CI)]
    order = np.lexsort((tasks.first, behalf))
    first, whose = tasks.first[order], behalf[order]
    new = np.r_[True, (whose[1:] != whose[:-1]) | (np.diff(first) > MATRIX_S)] if len(first) else np.zeros(0, bool)
    return first[new], whose[new]


MATRIX_S = 30.0
"""Jobs of one tenant within this time are legs of one build."""


def _session_calls(log: LogTables) -> Sample:
    calls = log.task_of(log.starting("operation", "execute_tool"))
    parts = log.starting("on_behalf_of", "spiffe://")  # what one agent hands to another is not a session
    return (calls[log.kind_mask(*AGENTS) & (log.task_of(parts) == 0)].astype(float),)


def _tools(log: LogTables) -> Sample:
    chosen = log.starting("operation", "execute_tool") & log.matching("task_kind", "code")
    names = np.array([*(n.removeprefix("execute_tool ") for n in log.names("operation")), ""], object)
    return log["task"][chosen], names[log["operation"][chosen]]


def _steps(log: LogTables) -> Sample:
    """Everything that coding sessions do but talk and start, session by session."""
    coding = log.matching("task_kind", "code") & ~log.matching("operation", "chat", "plan")
    chosen = np.flatnonzero(coding & log.matching("stream", "agent", "cloud_audit", "runtime"))
    order = chosen[np.argsort(log["task"][chosen], kind="stable")]
    names = np.array([*log.names("operation"), ""], object)
    return log["task"][order], names[log["operation"][order]]


def _renewals(log: LogTables) -> Sample:
    """Between the issuances of one task, once each: what is tried again within a minute is the same one."""
    issued = np.flatnonzero(log.matching("operation", "FetchX509SVID") & (log["task"] >= 0))
    order = issued[np.argsort(log["task"][issued], kind="stable")]
    same = log["task"][order][1:] == log["task"][order][:-1]
    gaps = np.diff(log.seconds[order])[same]
    return (gaps[gaps > 60.0],)
