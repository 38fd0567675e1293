"""Detectors inside detectors: loading a member by name, and giving it only the knowledge that it asks for."""

from __future__ import annotations

from scopedrift.detectors.base import Detector
from scopedrift.detectors.knowledge import Knowledge


def member(spec: str) -> Detector:
    """The detector that `spec` names (as on the command line).

    Raises `registry.DetectorError`.
    """
    from scopedrift.detectors.registry import load  # the registry knows the built-in ones, not the other way round

    return load(spec)


def limited(knowledge: Knowledge, needs: frozenset[str]) -> Knowledge:
    """`knowledge` without what is not needed."""
    return Knowledge(
        policy=knowledge.policy if "policy" in needs else None,
        inventory=knowledge.inventory if "inventory" in needs else None,
        calendar=knowledge.calendar if "calendar" in needs else None,
        task_tools=knowledge.task_tools if "task_context" in needs else None,
        seed=knowledge.seed,
    )
