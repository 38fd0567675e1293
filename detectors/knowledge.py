"""Knowledge of a real deployment beside its log, limited to what a detector needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scopedrift.simulator.world.policy import CalendarEntry, Deployment, InventoryEntry, Scope

KINDS: Final = ("policy", "inventory", "calendar", "task_context")
"""The kinds of knowledge: declared scopes, workload inventory, change calendar, allowed tools by kind of task."""


@dataclass(frozen=True)
class Knowledge:
    """The knowledge for a detector's `fit`; kinds that it does not need, or that are withheld, are `None`."""

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
        whole = cls(deployment.policy, deployment.inventory, deployment.calendar, deployment.task_tools, seed=seed)
        return whole.limited(wanted)

    def limited(self, needs: frozenset[str]) -> Knowledge:
        """This knowledge limited to `needs`, for a detector inside another one."""
        return Knowledge(
            policy=self.policy if "policy" in needs else None,
            inventory=self.inventory if "inventory" in needs else None,
            calendar=self.calendar if "calendar" in needs else None,
            task_tools=self.task_tools if "task_context" in needs else None,
            seed=self.seed,
        )
