"""What a deployment declares beside its logs: scopes, inventory and change calendar.

The *declared scope* of an identity is what it is meant to do.  Its *entitlement* (what permissions allow)
is wider and lives in the simulated world (`identities.py`), never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ANY: Final = "*"
UNGUARDED: Final = frozenset(
    ("metadata", "containerd", "process", "network", "spire", "agent", "git", "ci-cache", "packages", "policy")
)
"""Services that no cloud permission guards: being on the host, or in the pipeline, is enough."""


@dataclass(frozen=True, order=True)
class Grant:
    """Permission for one class of access to one service in one project; `*` stands for any."""

    service: str
    access: str
    project: str

    def covers(self, service: str, access: str, project: str) -> bool:
        """Whether this grant allows the given access."""
        return self.service in (ANY, service) and self.access in (ANY, access) and self.project in (ANY, project)


@dataclass(frozen=True)
class Scope:
    """The declared scope of one identity."""

    grants: frozenset[Grant] = frozenset()
    registries: frozenset[str] = frozenset()
    """Image registries that its workloads may run from; empty: it runs no images."""


@dataclass(frozen=True)
class InventoryEntry:
    """What the workload inventory says of one identity."""

    identity: str
    project: str
    team: str
    families: tuple[str, ...]
    workloads: tuple[str, ...]
    credential_kind: str
    key_made_at: int = -1
    """When its static key was made, in microseconds since 1970 UTC; -1: it has none."""


@dataclass(frozen=True)
class CalendarEntry:
    """One announced change: when it holds, whom it concerns, and what it newly allows."""

    kind: str
    start: int
    """Microseconds since 1970 UTC."""
    end: int
    identities: frozenset[str]
    """The identities whose behaviour may change; empty: everybody's."""
    grants: frozenset[Grant] = frozenset()
    registries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Deployment:
    """Everything a deployment can tell a detector beside the log."""

    policy: Mapping[str, Scope] = field(default_factory=dict)
    inventory: Mapping[str, InventoryEntry] = field(default_factory=dict)
    calendar: tuple[CalendarEntry, ...] = ()
    task_tools: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Per kind of task: the operations that its declared intent needs."""
