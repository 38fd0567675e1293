"""Footholds: whom an incident begins from, what it holds there, and how it goes on to other identities.

An intruder inside a workload has whatever the workload has at the time: its task, its credential, its
address.  A stolen credential is a copy that ends when the original does.  A copied account is another
workload that works under the victim's identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Template
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import HOUR, MINUTE, MISSING
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.organisation import Workload, World
from scopedrift.simulator.world.policy import UNGUARDED, Grant

PATIENCE: Final = 48 * HOUR
"""How long a thief waits for a victim to hold a credential that works (assumed)."""
LURK: Final = 12 * HOUR
"""How long an adversary waits for a task of the victim to hide in (assumed)."""
SURVEYED: Final = (3, 8)
"""Possible victims that an adversary compares, at strength 0 and 1 (assumed): who intrudes takes what is of use."""
FOREVER: Final = 1 << 62


@dataclass
class Foothold:
    """What the adversary (or the drifting workload) holds."""

    workload: Workload
    identity: Identity
    """What it acts as; another one's where an account was copied."""
    key: int
    """64-bit key of the incident's own draws."""
    inside: bool
    """Whether it follows the workload from task to task."""
    actor: Actor
    job: int
    session: int
    anchor: int
    epoch: int
    """Number of a stolen credential in its session; -1 where it is renewed."""
    expires: int
    """When the held credential stops working; -1: never."""
    grants: frozenset[Grant] = frozenset()
    """What was gained on the way (a minted token, administration) additionally allows."""
    grants_until: int = MISSING
    image: str | None = None

    def follow(self, world: World) -> None:
        """Be where the workload is now, if inside it."""
        if self.inside and self.workload.recent is not None:
            number, self.job, self.session, self.anchor = self.workload.recent
            self.actor = replace(world.actors[number], key=self.key, changed={})


def find_victim(
    platform: Platform,
    spec: IncidentSpec,
    template: Template,
    techniques: Sequence[str],
    rng: np.random.Generator,
) -> Workload:
    """A workload of the wished families that has run: of some that are surveyed, the most useful one.

    Raises `ValueError` if nothing has run yet.
    """
    families = [spec.victim["family"]] if spec.victim else template.victims.families
    active = [w for w in platform.world.workloads.values() if w.recent is not None]
    everybody = [w for w in active if not w.identity.orphaned]
    candidates = [w for w in active if w.family in families] or everybody
    if not candidates:
        raise ValueError(f"{spec.template}: no workload has run yet that it could begin from")
    return _best(platform.world, candidates, techniques, spec.strength, rng)


def _best(
    world: World, candidates: list[Workload], techniques: Sequence[str], strength: float, rng: np.random.Generator
) -> Workload:
    """The most useful of some: by what it may do, and for the strong by what it does anyway and how shared it is."""
    least, most = SURVEYED
    surveyed = [
        candidates[int(u * len(candidates))] for u in rng.random(least + round(strength * (most - least))).tolist()
    ]

    def use(workload: Workload) -> float:
        blend = max(fit(world, kind, techniques) for kind in workload.actors)
        return reach(world, workload, techniques) + strength * (blend + 0.5 * workload.identity.shared)

    return max(surveyed, key=use)


def reach(world: World, workload: Workload, techniques: Sequence[str]) -> float:
    """The share of techniques whose needed calls the identity's permissions allow somewhere."""
    entitled = workload.identity.entitled(world)
    own = {(g.service, g.access) for g in entitled if g.project == workload.project.name}
    other = {(g.service, g.access) for g in entitled if g.project != workload.project.name}
    possible = 0
    for name in techniques:
        technique = catalogue.techniques()[name]
        needs = [world.operations.by_name[need] for need in technique.needs]
        possible += all(
            (o.service, o.access) in (other if technique.targets.get(o.slot, "own").startswith("adj") else own)
            for o in needs
            if o.service not in UNGUARDED
        )
    return possible / max(len(techniques), 1)


def fit(world: World, kind: str, techniques: Sequence[str]) -> float:
    """The share of techniques whose needed calls the declared tools of a kind of task cover."""
    tools = world.task_tools(kind)
    covered = [
        all(world.operations.by_name[need].operation in tools for need in catalogue.techniques()[name].needs)
        for name in techniques
    ]
    return sum(covered) / max(len(covered), 1)


def take(
    platform: Platform,
    victim: Workload,
    kind: str,
    strength: float,
    own: int,
    rng: np.random.Generator,
    renewable: bool = False,
) -> Foothold:
    """Begin: inside the victim, with its credential from elsewhere, or as a workload that works under its identity."""
    assert victim.recent is not None
    world = platform.world
    number, job, session, anchor = victim.recent
    actor = replace(world.actors[number], key=own, changed={})
    if kind in ("workload", "task"):
        return Foothold(victim, victim.identity, own, kind == "workload", actor, job, session, anchor, MISSING, MISSING)
    if kind == "copy":
        return _copied(world, victim, own, rng)
    epoch, expires = victim.identity.copied(anchor, platform.now)
    if renewable:  # what was stolen (a refresh token, a personal token) obtains new credentials
        epoch, expires = MISSING, MISSING
    if rng.random() < 0.7 * (1.0 - strength):
        actor = replace(actor, sources=world.external)
    return Foothold(victim, victim.identity, own, False, actor, job, session, anchor, epoch, expires)


def _copied(world: World, victim: Workload, own: int, rng: np.random.Generator) -> Foothold:
    others = [w for w in world.workloads.values() if w.recent is not None and w.identity is not victim.identity]
    other = others[int(rng.random() * len(others))] if others else victim
    assert other.recent is not None and victim.recent is not None
    (number, job, _, _), (held, _, session, anchor) = other.recent, victim.recent
    source = world.actors[held]
    actor = replace(
        world.actors[number],
        key=own,
        changed={},
        identity=source.identity,
        credential_key=source.credential_key,
        credential_kind=source.credential_kind,
        half_life=source.half_life,
        key_made_at=source.key_made_at,
    )
    return Foothold(other, victim.identity, own, False, actor, job, session, anchor, MISSING, MISSING)


def awake(platform: Platform, victim: Workload) -> Process:
    """Wait until the victim holds a credential that works: what is stolen is what it uses."""
    patience = platform.now + PATIENCE
    while not victim.holds_credential(platform.now) and platform.now < patience:
        yield platform.wait(MINUTE)


def lurk(platform: Platform, hold: Foothold, technique: str, strength: float, rng: np.random.Generator) -> Process:
    """With a chance of `strength`: wait for a task of the victim that does such things anyway, and act within it."""
    if rng.random() < strength and hold.expires < 0:
        world, seen, until = platform.world, hold.workload.recent, platform.now + LURK
        fits = {world.code("task_kind", kind): fit(world, kind, [technique]) for kind in hold.workload.actors}
        best = max(fits.values(), default=0.0)
        while platform.now < until:
            yield platform.wait(round(between(MINUTE / 4, 4 * MINUTE, rng)))
            recent = hold.workload.recent
            if recent is not None and recent != seen and fits.get(world.actors[recent[0]].task_kind, best) >= best:
                break
    hold.follow(platform.world)


def gain(
    platform: Platform, hold: Foothold, what: str, ahead: Sequence[str], strength: float, rng: np.random.Generator
) -> None:
    """What a successful technique yields; `ahead` are the techniques that it is for."""
    world = platform.world
    if what == "token":  # breadth and time to live are the scenario's
        hold.grants |= hold.identity.downstream(world)
        hold.grants_until = max(hold.grants_until, platform.now + world.scenario.identities.downstream.ttl)
    elif what == "admin":
        hold.grants |= {grant for grant in world.grant_universe if grant.project == hold.workload.project.name}
        hold.expires, hold.grants_until = MISSING, FOREVER
    elif what == "credential":
        hold.expires = MISSING
    elif what == "identity":
        _move_on(platform, hold, ahead, strength, rng)


def _move_on(
    platform: Platform, hold: Foothold, ahead: Sequence[str], strength: float, rng: np.random.Generator
) -> None:
    """Take another identity's credential, if one that works is at hand and of more use than the held one."""
    world = platform.world
    others = [
        w
        for w in world.workloads.values()
        if w.identity is not hold.identity and not w.identity.orphaned and w.holds_credential(platform.now)
    ]
    if not others:
        return
    other = _best(world, others, ahead, strength, rng)
    if reach(world, other, ahead) <= reach(world, hold.workload, ahead) and hold.expires < 0:
        return
    assert other.recent is not None
    number, hold.job, hold.session, hold.anchor = other.recent
    sources = world.actors[number].sources if rng.random() < strength else hold.actor.sources
    hold.actor = replace(world.actors[number], key=hold.key, changed={}, sources=sources)
    hold.workload, hold.identity, hold.inside = other, other.identity, False
    hold.epoch, hold.expires = other.identity.copied(hold.anchor, platform.now)
    hold.grants, hold.grants_until = frozenset(), MISSING
