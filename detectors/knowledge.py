"""What a real deployment would know beside its log, limited to what a detector asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scopedrift.simulator.world.policy import CalendarEntry, Deployment, InventoryEntry, Scope

KINDS: Final = ("policy", "inventory", "calendar", "task_context")
"""The pieces of knowledge: declared scopes, workload inventory, change calendar, allowed tools per task kind."""


@dataclass(frozen=True)
class Knowledge:
    """The knowledge a detector is fitted with; a piece it did not ask for (or that is withheld) is `None`."""

    policy: Mapping[str, Scope] | None = None
    inventory: Mapping[str, InventoryEntry] | None = None
    calendar: tuple[CalendarEntry, ...] | None = None
    task_tools: Mapping[str, frozenset[str]] | None = None
    seed: int = field(default=0, kw_only=True)
    """For detectors that draw random numbers."""

    @classmethod
    def of(cls, deployment: Deployment, needs: Iterable[str], *, seed: int = 0) -> Knowledge:
        """The part of `deployment` named by `needs` (a subset of `KINDS`).

        Raises `ValueError` for an unknown need.
        """
        wanted = frozenset(needs)
        if unknown := wanted - frozenset(KINDS):
            raise ValueError(f"unknown knowledge {sorted(unknown)}: expected some of {', '.join(KINDS)}")
        return cls(
            policy=deployment.policy if "policy" in wanted else None,
            inventory=deployment.inventory if "inventory" in wanted else None,
            calendar=deployment.calendar if "calendar" in wanted else None,
            task_tools=deployment.task_tools if "task_context" in wanted else None,
            seed=seed,
        )
