"""Training jobs as their log shows them: from `create jobs` to the last call under the job's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from scopedrift.experiments.realism import habits
from scopedrift.experiments.realism import reductions as of
from scopedrift.experiments.realism.statistic import Sample, Statistic, first_column
from scopedrift.experiments.realism.tables import LogTables


def statistics() -> Iterator[Statistic]:
    """The family's statistics."""
    yield Statistic(
        "training.duration", "Duration of a GPU job", "distribution", "s", ("seconds",), _durations, first_column
    )
    yield Statistic(
        "training.queue_mean", "Mean delay of a GPU job in the queue", "number", "s", ("seconds",),
        _delays, of.mean, of.as_prompt,
    )  # fmt: skip
    yield Statistic(
        "training.queue_prompt", "Share of GPU jobs that start within 10 s", "number", "", ("seconds",),
        _delays, of.at_most(10.0), of.as_exponential,
    )  # fmt: skip
    yield from of.daily("training", "GPU job submissions", _submissions)
    yield Statistic(
        "training.fano_hour", "Fano factor of GPU job submissions per hour", "number", "", ("time",),
        _submissions, of.fano(3600.0), of.as_poisson,
    )  # fmt: skip
    yield Statistic(
        "training.empty_bins", "Share of 10-minute bins without a submission", "number", "", ("time",),
        _submissions, of.empty_bins(600.0), of.as_poisson,
    )  # fmt: skip
    yield Statistic(
        "training.completed", "Share of GPU jobs that complete", "number", "", ("completed",),
        _completed, of.mean, of.as_thirds,
    )  # fmt: skip
    yield Statistic(
        "training.cancelled", "Share of GPU jobs that are cancelled (deleted)", "number", "", ("cancelled",),
        _cancelled, of.mean, of.as_thirds,
    )  # fmt: skip
    yield Statistic(
        "training.one_gpu", "Share of GPU jobs with one GPU (one worker pod)", "number", "", ("gpus",),
        _gangs, of.at_most(1.0), of.as_exponential_count,
    )  # fmt: skip
    yield Statistic(
        "training.eight_gpus", "Share of GPU jobs with at most eight GPUs", "number", "", ("gpus",),
        _gangs, of.at_most(8.0), of.as_exponential_count,
    )  # fmt: skip
    yield from _habits()


def _habits() -> Iterator[Statistic]:
    """How runs depend on their pipeline, and on each other."""
    runs = ("pipeline", "seconds")
    for what, about, columns, extract, reduce, straw in (
        ("length_within", "Share of the variance of log duration that lies within pipelines", runs, _runs,
         habits.within_share, habits.as_anybodys),
        ("length_previous", "Correlation of a run's log duration with the pipeline's previous run", runs, _runs,
         habits.previous_correlation, habits.as_anybodys),
        ("gap_variation", "Coefficient of variation of the gaps between submissions", ("time",), _submissions,
         habits.variation, of.as_poisson),
    ):  # fmt: skip
        yield Statistic(f"training.{what}", about, "number", "", columns, extract, reduce, straw)
    for name, low, high in (("2_4", 2, 4), ("5_8", 5, 8), ("9", 9, 1 << 20)):
        yield Statistic(
            f"training.longer_{name}", f"Median duration with {low}{f' to {high}' if high < 1 << 20 else ' or more'} "
            "GPUs, over that with one", "number", "", ("gpus", "seconds"), _sizes, habits.median_ratio(low, high),
            habits.as_anybodys,
        )  # fmt: skip
    for name, ended in (("completed", _completed), ("cancelled", _cancelled), ("failed", _failed)):
        yield Statistic(
            f"training.time_{name}", f"Share of GPU time in jobs that {ENDS[name]}", "number", "",
            (name, "gpu_seconds"), _weighed(ended), habits.weighted_share, habits.as_anybodys,
        )  # fmt: skip


ENDS = {"completed": "complete", "cancelled": "are cancelled (deleted)", "failed": "fail"}


def _submissions(log: LogTables) -> Sample:
    create = log.first_of(log.matching("operation", "create jobs"))
    times = create[log.kind_mask("train")]
    return (times[np.isfinite(times)] + log.week_offset,)


def _durations(log: LogTables) -> Sample:
    begins = log.first_of(log.matching("operation", "GetInstanceIdentity", "GetCallerIdentity"))
    return ((log.tasks.last - begins)[log.kind_mask("train")],)


def _delays(log: LogTables) -> Sample:
    begins = log.first_of(log.matching("operation", "GetInstanceIdentity", "GetCallerIdentity"))
    asked = log.first_of(log.matching("operation", "create jobs"))
    delay = (begins - asked)[log.kind_mask("train")]
    return (np.maximum(delay[np.isfinite(delay)], 0.0),)


def _has(log: LogTables, *operations: str) -> Sample:
    """Whether each job that was seen to end made one of these calls."""
    return ((log.task_of(log.matching("operation", *operations))[log.kind_mask("train")] > 0).astype(float),)


def _completed(log: LogTables) -> Sample:
    """A completed job writes its model."""
    written = log.matching("operation", "PutObject") & log.containing("resource", "-models/")
    return ((log.task_of(written)[log.kind_mask("train")] > 0).astype(float),)


def _cancelled(log: LogTables) -> Sample:
    return _has(log, "delete jobs")


def _failed(log: LogTables) -> Sample:
    """What neither completed nor was cancelled."""
    return ((_completed(log)[0] + _cancelled(log)[0] == 0).astype(float),)


def _runs(log: LogTables) -> Sample:
    """Each run's pipeline and duration, in order of submission."""
    mask = log.kind_mask("train")
    order = np.argsort(log.tasks.first[mask], kind="stable")
    return log.tasks.workload[mask][order], _durations(log)[0][order]


def _sizes(log: LogTables) -> Sample:
    return _gangs(log)[0], _durations(log)[0]


def _weighed(ended: Callable[[LogTables], Sample]) -> Callable[[LogTables], Sample]:
    """Whether each job ended so, and its GPU seconds."""
    return lambda log: (ended(log)[0], _gangs(log)[0] * _durations(log)[0])


def _gangs(log: LogTables) -> Sample:
    return (log.task_of(log.matching("operation", "create pods"))[log.kind_mask("train")].astype(float),)
