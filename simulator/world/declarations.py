"""What a deployment declares beside its log, as it was published: declarations lag behind what is done every day.

The published scope of some identities, and the tool list of some kinds of task, miss things that are in use.  The
scenario's `novelty` scales how many (`detours` in `platform.yaml`).
"""

from __future__ import annotations

from scopedrift.simulator.randomness import key
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import Deployment, Grant, InventoryEntry, Scope


def declared(world: SimulatedWorld) -> Deployment:
    """Scopes, inventory and tool lists of everything in use; the calendar is for changes to fill."""
    roles = world.roles.values() if world.scenario.turns else ()
    known = [each for each in (*world.identities.values(), *roles) if each.workloads and not each.orphaned]
    teams = {project.name: project.team for project in world.projects}
    return Deployment(
        policy={i.name: Scope(_published(world, i), frozenset(i.registries)) for i in known},
        inventory={
            i.name: InventoryEntry(
                identity=i.name,
                project=i.project,
                team=teams[i.project],
                families=tuple(i.families),
                workloads=tuple(i.workloads),
                credential_kind=i.credential_kind,
                key_made_at=i.made_at,
            )
            for i in known
        },
        task_tools=_published_tools(world),
    )


def _published(world: SimulatedWorld, identity: Identity) -> frozenset[Grant]:
    """The declared scope as the policy files have it: for some identities, a grant that they use is missing."""
    if _lags(world, world.platform.detours.stale_scopes, "stale_scopes", identity.name):
        used = sorted(g for g in identity.declared if g.service not in world.platform.detours.never_stale)
        if used:
            return frozenset(identity.declared - {used[key(world.seed, "stale grant", identity.name) % len(used)]})
    return frozenset(identity.declared)


def _published_tools(world: SimulatedWorld) -> dict[str, frozenset[str]]:
    """The tool lists of the kinds of task, as declared: here and there, an operation is missing.

    What keeps credentials alive is the platform's business and on every list.
    """
    life, stale = world.platform.credential_life, world.platform.detours.stale_tools
    steps = {*life.role.shares, *life.exchange.shares}
    for spec in world.platform.credentials.values():
        steps.update(spec.steps)
    common = {world.operations.by_name[step].operation for step in steps}
    return {
        kind: frozenset(tool for tool in listed if not _lags(world, stale, "stale_tools", kind, tool)) | common
        for kind, listed in world.tools.items()
    }


def _lags(world: SimulatedWorld, share: float, *name: str) -> bool:
    return key(world.seed, *name) / 2.0**64 < share * min(world.scenario.novelty, 1.0)
