"""Scope drift and attack chains: ordered stages, each a technique, run by a SimPy process on the live world.

A stage succeeds only if the entitlement (or a token minted earlier), the credential's time to live and the
run-time policy allow it; what is refused is logged as denied, and the incident adapts or ends.  `strength`
(0 smash-and-grab, 1 stealthy) scales volumes, tempo, hours, targets and whether it stays where it may go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.activities import Activity
from scopedrift.simulator.events import HOUR, MINUTE, MISSING, SECOND, registry_of
from scopedrift.simulator.expansion import DENIED, NORMAL
from scopedrift.simulator.families import Process
from scopedrift.simulator.identities import allows
from scopedrift.simulator.injection.ledger import Ledger, OpenIncident
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.platform import URGENT, Platform
from scopedrift.simulator.policy import UNGUARDED, Grant
from scopedrift.simulator.randomness import key
from scopedrift.simulator.rhythm import Rhythm
from scopedrift.simulator.truth import Incident, StageTruth
from scopedrift.simulator.world import Workload

PACES: Final[Mapping[str, tuple[int, int]]] = {
    "seconds": (SECOND, 30 * SECOND),
    "minutes": (MINUTE, 15 * MINUTE),
    "hours": (HOUR, 8 * HOUR),
    "days": (24 * HOUR, 96 * HOUR),
}
"""Pacing classes (FACTS section 4): waits are drawn log-uniformly within them; strength stretches them."""
STRETCH: Final = 6.0
"""At strength 1 waits and stages take up to this many times longer (assumed)."""
QUIET: Final = 0.12
"""At strength 1 a stage has this share of the volume it has at strength 0 (assumed)."""
ATTEMPTS: Final = 3
"""Calls made before a refusal is believed (assumed)."""
PATIENCE: Final = 48 * HOUR
"""How long a thief waits for a victim to hold a credential that works (assumed)."""


@dataclass
class Foothold:
    """What the adversary (or the drifting workload) holds."""

    workload: Workload
    actor: int
    job: int
    session: int
    anchor: int
    epoch: int
    """Fixed credential period of a stolen credential; -1 inside the workload, where it is renewed."""
    expires: int
    """When the held credential stops working; -1: never."""
    grants: frozenset[Grant] = frozenset()
    """What a token minted on the way additionally allows."""
    grants_until: int = MISSING
    """When that token ends."""
    image: str | None = None
    stages: int = 0
    tried: list[str] = field(default_factory=list)


def plan_incident(
    platform: Platform, ledger: Ledger, name: str, spec: IncidentSpec, at: int, rng: np.random.Generator
) -> Process:
    """The process of one incident, which begins (in intent) at the time `at`."""
    world = platform.world
    template = (catalogue.chains() if spec.attack else catalogue.drifts())[spec.template].data
    for stage in template["stages"]:
        technique = catalogue.techniques()[stage["technique"]]
        world.activities.add(f"technique/{technique.name}", technique.data["activity"])
    return _incident(platform, ledger, name, spec, template, at, rng)


def _incident(
    platform: Platform,
    ledger: Ledger,
    name: str,
    spec: IncidentSpec,
    template: Mapping[str, Any],
    at: int,
    rng: np.random.Generator,
) -> Process:
    yield platform.wait(max(at - platform.now, 1))
    victim = _victim(platform, spec, template, rng)
    record = Incident(
        id=name,
        label="attack" if spec.attack else "scope_drift",
        template=spec.template,
        identity=victim.identity.name,
        workload=victim.name,
        family=victim.family,
        strength=spec.strength,
        intent_at=platform.now,
        first_observable_at=MISSING,
        impact_at=MISSING,
        ended_at=MISSING,
        end_reason="",
    )
    incident = ledger.open_incident(record)
    if template.get("foothold", "workload") != "workload":
        yield from _awake(platform, victim)
    hold = _foothold(platform, name, victim, template, spec.strength, rng)
    ended = "completed"
    for number, stage in enumerate(template["stages"]):
        if rng.random() < float(stage.get("skip", 0.0)):
            incident.stages.append(_skipped(platform, stage))
            continue
        wait = _pace(stage.get("wait", "minutes"), spec.strength, rng)
        yield platform.wait(_active(platform.world.rhythms["working"], platform.now, wait, spec.strength, rng))
        result = yield from _stage(platform, ledger, incident, hold, number, stage, spec.strength, rng)
        if result in ("denied", "expired") and stage.get("on_denied", "abort") == "abort":
            ended = result
            break
    incident.record = replace(incident.record, ended_at=platform.now, end_reason=ended)


def _stage(
    platform: Platform,
    ledger: Ledger,
    incident: OpenIncident,
    hold: Foothold,
    number: int,
    stage: Mapping[str, Any],
    strength: float,
    rng: np.random.Generator,
) -> Any:
    """One stage: aim, ask permission as the platform would, log it; a refusal is tried elsewhere if data say so."""
    technique = catalogue.techniques()[stage["technique"]]
    data = technique.data
    activity = platform.world.activities[f"technique/{technique.name}"]
    truth = ledger.code(incident.record.label, incident.index, number, technique.name)
    started = platform.now
    tries = 1 + int(stage.get("retries", 0))
    for attempt in range(tries):
        pools = {
            slot: select(platform, hold.workload, selector, strength, rng)
            for slot, selector in {**data.get("targets", {}), **stage.get("targets", {})}.items()
        }
        if data.get("image") == "foreign" and hold.image is None:
            hold.image = _foreign_image(platform, hold.workload, strength, rng)
        allowed, in_scope = _permitted(platform, hold, activity, pools)
        expired = 0 <= hold.expires <= platform.now and not allowed
        actor = _act(platform, hold, pools, data.get("image") == "foreign")
        outcome = NORMAL if allowed else DENIED
        count = _volume(data, strength, rng) if outcome == NORMAL else ATTEMPTS
        lasts = _pace(data.get("pace", "seconds"), strength, rng) if outcome == NORMAL else 20 * SECOND
        gpus = int(data.get("gpus", 0)) if outcome == NORMAL else 0
        if gpus:
            yield platform.gpus.request(gpus, URGENT)
        platform.emit(
            activity.code, actor, platform.now, lasts, count, hold.job, STAGES + number * 8 + attempt,
            hold.session, hold.anchor, hold.epoch, outcome, truth,
        )  # fmt: skip
        begun = platform.now
        yield platform.wait(lasts)
        if gpus:
            platform.gpus.release(gpus)
        result = "success" if outcome == NORMAL else "expired" if expired else "denied"
        if result == "success" or attempt == tries - 1:
            incident.stages.append(
                StageTruth(stage["name"], technique.name, started, platform.now, result, allowed, in_scope)
            )
            break
        yield platform.wait(_pace("minutes", strength, rng))
    if result == "success":
        if stage.get("impact"):
            incident.record = replace(incident.record, impact_at=begun)
        _gain(platform, hold, data, rng)
    return result


def _permitted(platform: Platform, hold: Foothold, activity: Activity, pools: Mapping[str, int]) -> tuple[bool, bool]:
    """Whether the platform allows a stage, and whether the declared scope does."""
    world = platform.world
    identity = hold.workload.identity
    entitled = frozenset() if 0 <= hold.expires <= platform.now else identity.entitled(world)
    minted = hold.grants if platform.now < hold.grants_until else frozenset()
    bound = {**world.actors[hold.actor].pools, **pools}
    allowed = in_scope = True
    for operation in activity.operations:
        if operation.service in UNGUARDED:
            continue
        for project in world.projects_of(bound.get(operation.slot, MISSING)) or {hold.workload.project.name}:
            in_scope &= allows(identity.declared, operation.service, operation.access, project)
            allowed &= any(allows(g, operation.service, operation.access, project) for g in (entitled, minted))
    if hold.image is not None and registry_of(hold.image) not in identity.registries:
        in_scope = False
    return allowed and (in_scope or world.scenario.platform.policy != "enforce"), in_scope


def _gain(platform: Platform, hold: Foothold, data: Mapping[str, Any], rng: np.random.Generator) -> None:
    """What a successful technique yields: a downstream token, whose breadth and TTL are the scenario's."""
    if data.get("yields") == "token":
        hold.grants = hold.workload.identity.downstream(platform.world)
        hold.grants_until = platform.now + platform.world.scenario.identities.downstream.ttl


def _act(platform: Platform, hold: Foothold, pools: Mapping[str, int], foreign: bool) -> int:
    """The actor of a stage: the foothold's, aimed at these pools, with the foreign image if the technique runs one."""
    world = platform.world
    actor = world.actors[hold.actor]
    for slot, pool in pools.items():
        actor = actor.rebound(slot, pool)
    if foreign and hold.image is not None:
        repository = world.pool("resource", [hold.image.rsplit(":", 1)[0]], None)
        actor = replace(actor.rebound("image", repository), image=world.code("image", hold.image))
    return world.actors.add(actor)


def _victim(platform: Platform, spec: IncidentSpec, template: Mapping[str, Any], rng: np.random.Generator) -> Workload:
    """A workload of the wished families that has run; the stronger the adversary, the likelier a shared identity."""
    families = [spec.victim["family"]] if spec.victim else template.get("victims", {}).get("families", [])
    everybody = [w for w in platform.world.workloads.values() if w.recent is not None]
    candidates = [w for w in everybody if w.family in families] or everybody
    if not candidates:
        raise ValueError(f"{spec.template}: no workload has run yet that it could begin from")
    shared = [w for w in candidates if w.identity.shared]
    if shared and rng.random() < spec.strength * 0.5:
        candidates = shared
    return candidates[int(rng.random() * len(candidates))]


def _foothold(
    platform: Platform,
    name: str,
    victim: Workload,
    template: Mapping[str, Any],
    strength: float,
    rng: np.random.Generator,
) -> Foothold:
    """Where the incident acts from: inside the victim's running task, or with its credential from elsewhere."""
    assert victim.recent is not None
    world = platform.world
    number, job, session, anchor = victim.recent
    identity = victim.identity
    actor = replace(world.actors[number], key=key(world.seed, "incident", name), changed={})
    inside = template.get("foothold", "workload") == "workload"
    epoch, expires = MISSING, MISSING
    if not inside:
        epoch, expires = identity.copied(anchor, platform.now)
        if rng.random() < 0.7 * (1.0 - strength):
            actor = replace(actor, sources=world.external)
    return Foothold(victim, world.actors.add(actor), job, session, anchor, epoch, expires)


def _awake(platform: Platform, victim: Workload) -> Process:
    """Wait until the victim holds a credential that works: what is stolen is what it uses."""
    patience = platform.now + PATIENCE
    while not victim.holds_credential(platform.now) and platform.now < patience:
        yield platform.wait(MINUTE)


def _foreign_image(platform: Platform, workload: Workload, strength: float, rng: np.random.Generator) -> str:
    """An image from a registry that the workload never used; ordinary for somebody else if one is at hand."""
    world = platform.world
    own = registry_of(workload.image)  # where the identity is shared, another workload's registry is in its scope
    used = sorted({w.image.rsplit(":", 1)[0] for w in world.workloads.values() if registry_of(w.image) != own})
    base = world.platform["world"]["base_images"]
    project = world.projects[int(rng.random() * len(world.projects))].name
    public = [
        f"{registry}/{project}/{base[int(rng.random() * len(base))]}"
        for registry in world.platform["world"]["public_registries"]
        if registry != own
    ]
    pick = used if used and rng.random() < 0.5 + 0.5 * strength else public
    return f"{pick[int(rng.random() * len(pick))]}:1.{int(rng.integers(0, 40))}.0"


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Drawn log-uniformly."""
    return float(low * (high / low) ** rng.random())


def _volume(data: Mapping[str, Any], strength: float, rng: np.random.Generator) -> int:
    low, high = data.get("count", (1, 1))
    return max(round(_between(low, high, rng) * float(QUIET**strength)), len(data["activity"].get("sequence", ())), 1)


def _pace(pace: str, strength: float, rng: np.random.Generator) -> int:
    return round(_between(*PACES[pace], rng) * float(STRETCH**strength))


def _active(rhythm: Rhythm, now: int, wait: int, strength: float, rng: np.random.Generator) -> int:
    """The wait, moved into busy hours by an adversary who hides in them."""
    if rng.random() < strength:
        return rhythm.wait(now, wait)
    return wait


def _skipped(platform: Platform, stage: Mapping[str, Any]) -> StageTruth:
    return StageTruth(stage["name"], stage["technique"], platform.now, platform.now, "skipped", True, True)


STAGES: Final = 50_000
"""Stage numbers of incidents: apart from those of the task that they hide in."""
