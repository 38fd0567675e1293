from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue, load_text
from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.workloads import orphans
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.credentials import STANDING
from scopedrift.simulator.world.declarations import declared
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.sizes import sizes

FAMILIES = "{training: {pipelines: 2}, inference: {services: 5}, serverless: {functions: 9}, runners: {}, agents: {}}"
EVERYTHING = "{" + ", ".join(f"{name}: {{}}" for name in catalogue.families()) + "}"


def build(seed: int, *, workloads: str = FAMILIES, **sections: str) -> SimulatedWorld:
    """The world of a small scenario, as it is before anything runs."""
    sections = {"horizon": "3d", "windows": "{baseline: 1d, calibration: 1d}", "workloads": workloads, **sections}
    scenario = load_text("name: built\n" + "".join(f"{name}: {value}\n" for name, value in sections.items()))
    world = SimulatedWorld(scenario, seed)
    for family, parameters in sizes(scenario).items():
        build_family(world, family, parameters)
    list(orphans.build(world))
    return world


def spiffe_problems(name: str) -> list[str]:
    """What the SPIFFE ID standard (SPIFFE-ID.md, 2.1 to 2.4) has against a name."""
    match = re.fullmatch(r"spiffe://([^/]*)((?:/[^/]*)*)", name)
    if match is None:
        return ["expected spiffe://<trust domain>/<path>"]
    domain, path = match.groups()
    problems = []
    if not re.fullmatch(r"[a-z0-9._-]{1,255}", domain):
        problems.append(f"trust domain {domain!r}")
    for segment in path.split("/")[1:]:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", segment) or segment in (".", ".."):
            problems.append(f"path segment {segment!r}")
    if len(name.encode()) > 2048:
        problems.append("longer than 2048 bytes")
    return problems


@pytest.mark.parametrize(
    "name",
    ["http://a/b", "spiffe://A.example/b", "spiffe://a//b", "spiffe://a/b/", "spiffe://a/./b", "spiffe://a/b?c",
     "spiffe://u@a/b", "spiffe://a:1/b", "spiffe:///b", "spiffe://a/b%20c", "spiffe://a/" + "b" * 2048],
)  # fmt: skip
def test_the_rules_themselves_refuse_what_the_standard_refuses(name: str) -> None:
    assert spiffe_problems(name)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**63 - 1), sharing=st.sampled_from([0.0, 0.3, 1.0]), domain=st.sampled_from([None, "x-1.a"])
)
def test_identities_are_spiffe_ids_of_one_trust_domain(seed: int, sharing: float, domain: str | None) -> None:
    organisation = f"{{projects: 3, domain: {domain or 'null'}}}"
    knobs = f"{{sharing: {sharing}, orphaned: 0.1}}"
    world = build(seed, organisation=organisation, identities=knobs)
    assert world.identities
    assert [spiffe_problems(name) for name in world.identities] == [[]] * len(world.identities)
    assert {name.split("/")[2] for name in world.identities} == {domain or world.domain}


def shared_workloads(world: SimulatedWorld) -> set[str]:
    return {w.name for w in world.workloads.values() if w.identity.shared}


def test_sharing_is_the_share_of_workloads_and_more_of_it_only_adds() -> None:
    steps = [0.0, 0.25, 0.5, 0.75, 1.0]
    worlds = [
        build(4, workloads="{serverless: {functions: 400}}", identities=f"{{sharing: {s}, orphaned: 0.0}}")
        for s in steps
    ]
    shared = [shared_workloads(world) for world in worlds]
    assert all(less < more for less, more in pairwise(shared))
    assert [len(each) / 400 for each in shared] == pytest.approx(steps, abs=0.06)
    together = [len(world.identities) for world in worlds]
    assert all(more > less for more, less in pairwise(together))
    assert together[-1] == 2  # one for every three of the six projects


def test_a_shared_identity_is_declared_what_all_of_its_workloads_do() -> None:
    alone = build(4, identities="{sharing: 0.0}")
    shared = build(4, identities="{sharing: 1.0}")
    assert len({w.project.name for w in shared.workloads.values() if w.identity.shared}) > len(shared.identities)
    for identity in shared.identities.values():
        parts = [alone.workloads[name].identity for name in identity.workloads if name in alone.workloads]
        assert identity.declared >= set().union(*(part.declared for part in parts))
        assert identity.registries >= set().union(*(part.registries for part in parts))


def test_excess_privilege_is_the_unused_share_of_the_entitlement_and_more_of_it_only_adds() -> None:
    before: dict[str, frozenset[object]] = {}
    for share in (0.0, 0.3, 0.6, 0.9):
        world = build(4, identities=f"{{excess_privilege: {share}}}")
        for name, identity in world.identities.items():
            entitled = world.entitlements.of(identity)
            assert entitled >= identity.declared
            assert entitled >= before.get(name, frozenset())
            room = len(world.entitlements.universe) > len(identity.declared) / (1 - share)
            if room:
                assert 1 - len(identity.declared) / len(entitled) == pytest.approx(share, abs=0.05)
            before[name] = entitled


def test_a_downstream_token_carries_its_breadth_of_all_permissions() -> None:
    before: frozenset[object] = frozenset()
    for breadth in (0.0, 0.25, 1.0):
        world = build(4, identities=f"{{downstream: {{breadth: {breadth}}}}}")
        carried = world.entitlements.downstream(next(iter(world.identities.values())))
        assert len(carried) == round(breadth * len(world.entitlements.universe))
        assert carried >= before
        before = carried


def test_unused_permissions_lie_nearer_home() -> None:
    world = build(4, organisation="{projects: 6}", identities="{excess_privilege: 0.6}")
    unused = [
        (g.project == i.project) for i in world.identities.values() for g in world.entitlements.of(i) - i.declared
    ]
    assert 1.5 / 6 < sum(unused) / len(unused) < 0.6


def test_most_static_keys_are_older_than_a_year_and_only_young_ones_are_rotated() -> None:
    world = build(4)
    keys = [world.credentials.terms(f"spiffe://a/{k}", STANDING) for k in range(4_000)]
    ages = [(world.scenario.start_us - key.made_at) / DAY for key in keys]
    assert sum(age > 365 for age in ages) / len(ages) == pytest.approx(0.62, abs=0.03)
    assert all(bool(key.ttl) == (age < 90) for key, age in zip(keys, ages, strict=True))


def test_the_inventory_knows_the_age_of_static_keys_and_no_orphans() -> None:
    kinds = "{kind: {static-key: 0.5, oauth: 0.5}}"
    world = build(4, identities=f"{{orphaned: 0.2, credential: {kinds}}}")
    orphans = {name for name, identity in world.identities.items() if identity.orphaned}
    in_use = len(world.identities) - len(orphans)
    assert len(orphans) == round(0.2 * in_use)
    deployment = declared(world)
    roles = {role.name for role in world.roles.values() if role.workloads}
    assert set(deployment.inventory) == set(deployment.policy) == set(world.identities) - orphans | roles
    for name, entry in deployment.inventory.items():
        if name in roles:
            continue
        assert (entry.key_made_at >= 0) == (entry.credential_kind == "static-key")
        assert entry.key_made_at == world.identities[name].made_at < world.scenario.start_us
    assert {world.identities[name].credential_kind for name in orphans} == {"static-key"}


@pytest.mark.parametrize("count", [20, 200, 2_000])
def test_the_number_of_identities_is_about_what_is_asked_for(count: int) -> None:
    asked = f"{{count: {count}, sharing: 0.0, orphaned: 0.0}}"
    assert len(build(1, workloads=EVERYTHING, identities=asked).identities) == pytest.approx(count, rel=0.1, abs=3)


def test_sizes_that_the_scenario_sets_stay_unless_it_sets_all() -> None:
    asked = "{count: 300, sharing: 0.0, orphaned: 0.0}"
    some = build(1, workloads="{inference: {services: 7}, serverless: {}}", identities=asked)
    assert len([w for w in some.workloads.values() if w.family == "inference"]) == 7
    assert len(some.identities) == 300
    every = build(1, workloads="{inference: {services: 10}, serverless: {functions: 20}}", identities=asked)
    assert len([w for w in every.workloads.values() if w.family == "inference"]) == 100
    assert len(every.identities) == 300
    merged = build(
        1, workloads="{training: {stage_identities: false}}", identities="{count: 40, sharing: 0.0, orphaned: 0.0}"
    )
    assert len(merged.identities) == 40


@pytest.mark.slow
def test_a_world_of_20000_identities_is_built_in_linear_time() -> None:
    spent = {}
    for count in (4_000, 20_000):
        start = time.process_time()
        world = build(1, workloads=EVERYTHING, identities=f"{{count: {count}}}")
        declared(world)
        spent[count] = time.process_time() - start
    assert spent[20_000] < 8 * spent[4_000]
