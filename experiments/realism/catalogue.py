"""All statistics by name."""

from __future__ import annotations

from functools import cache

from scopedrift.experiments.realism import inference, others, serverless, streams, training
from scopedrift.experiments.realism.statistic import Statistic


@cache
def statistics() -> dict[str, Statistic]:
    """Every statistic by name, family by family."""
    families = (
        serverless.statistics, training.statistics, others.evaluation, inference.statistics,
        others.runners, others.agents, others.credentials, streams.statistics,
    )  # fmt: skip
    return {each.name: each for family in families for each in family()}
