"""The simulated organisation: projects and their resources, identities, workloads.

Built once per run from the scenario and the seed; the Faker library names things here and nowhere else.
Names are registered in per-column lists (the world's codes); a log renumbers them by first arrival.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Final

import numpy as np
from faker import Faker

from scopedrift.scenarios import Scenario, catalogue
from scopedrift.simulator.expansion.activities import Activities, Activity, Operations
from scopedrift.simulator.expansion.tables import Actor, Actors, Pools
from scopedrift.simulator.log.events import ACCESS, CODED, MISSING, OUTCOMES, STREAMS, Array, Names, registry_of
from scopedrift.simulator.randomness import Quantiles, generator, key, mix
from scopedrift.simulator.runtime.detours import Detour, published, published_tools
from scopedrift.simulator.world.credentials import STANDING, StandingKey, cycles, standing_key
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.policy import CalendarEntry, Deployment, Grant, InventoryEntry, Scope
from scopedrift.simulator.world.rhythm import Rhythm
from scopedrift.simulator.world.sessions import Sessions

ACCOUNT_SERVICES: Final = ("metadata", "spire", "oauth", "sts", "containerd", "process", "network")
"""Services every workload calls to exist at all: part of every declared scope."""
REGION: Final = "eu-west-1"


@dataclass(frozen=True)
class Project:
    """One project (account, namespace): its resources by slot, as pools."""

    name: str
    account: str
    team: str
    pools: Mapping[str, int]
    datasets: list[int]
    """Pools, one a dataset, as it is now: parts come and go."""
    nodes: int
    """Pool of its node addresses (column `source`)."""


@dataclass
class Workload:
    """Something that runs.  Changes rebind its actors; its family's process drives it."""

    number: int
    """By name, so that other workloads do not shift it (22 bits)."""
    name: str
    family: str
    project: Project
    identity: Identity
    image: str
    actors: dict[str, int]
    """Task kind -> actor number."""
    parameters: Mapping[str, Any]
    sessions: Sessions
    """Its credential sessions."""
    parts: dict[str, Workload] = field(default_factory=dict)
    """Other workloads of the same system (the stages of a pipeline), by role."""
    load: float = 1.0
    """Multiplier of its arrivals; a traffic surge raises it."""
    recent: tuple[int, int, int, int] | None = None
    """Its latest task: actor, task number, credential session, and when that was issued."""
    latest: tuple[int, int] | None = None
    """Its latest stage: how many events, in how many microseconds."""
    restarts: int = 0
    """Raised by whatever makes it start again: a release, a crash, a rotation."""
    detour: Detour | None = None
    """What its next task also does, outside what is declared."""

    def holds_credential(self, now: int) -> bool:
        """Whether its latest task has a credential that it would use now."""
        if self.recent is None or self.identity.made_at >= 0:
            return self.recent is not None
        _, _, session, anchor = self.recent
        return self.sessions.until(session, anchor) > now

    def session(self, number: int) -> int:
        """The number of a credential session: distinct for workloads that share an identity."""
        return (self.number << 40) + number


class World:
    """Everything that exists; read by the processes, changed only by releases, changes and incidents."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.platform = catalogue.platform()
        self.operations = Operations(catalogue.operations())
        self.activities = Activities(self.operations)
        self.names = {column: Names() for column in CODED}
        self.names["stream"] = Names(STREAMS)
        self.names["access"] = Names(ACCESS)
        self.names["outcome"] = Names(OUTCOMES)
        self.names["service"] = self.operations.services
        self.names["operation"] = self.operations.operations
        self.pools = Pools()
        self.actors = Actors(self.operations.slots.texts())
        self.dataset_slot = self.operations.slots.find("dataset")
        self.identities: dict[str, Identity] = {}
        self.workloads: dict[str, Workload] = {}
        self.calendar: list[CalendarEntry] = []
        """What workload families plan and announce; changes add theirs."""
        self.rhythms = {name: Rhythm(spec) for name, spec in self.platform.rhythm.items()}
        self._resource_project: list[int] = []
        self._resource_projects = np.empty(0, np.int32)
        self._pool_projects: dict[int, frozenset[str]] = {}
        self._task_tools: dict[str, set[str]] = {}
        self._fake = Faker()
        self._fake.seed_instance(key(seed, "names"))
        name = self._fake.unique.last_name().lower().replace("'", "").replace(" ", "-")
        self.company = "".join(c for c in name if c.isalnum() or c == "-")
        self.domain = scenario.organisation.domain or f"{self.company}.example"
        self.projects = [self._project(i) for i in range(scenario.organisation.projects)]
        self.external = self.pool("source", [self._fake.unique.ipv4_public() for _ in range(40)])
        """Addresses on the Internet that ordinary callers use too (partners, hosted runners)."""
        pairs = sorted({(o.service, o.access) for o in self.operations.all})
        guarded = [(s, a) for s, a in pairs if s not in ("agent", "policy")]
        self.grant_universe = [Grant(s, a, p.name) for p in self.projects for s, a in guarded]
        self.grant_place = {grant: place for place, grant in enumerate(self.grant_universe)}
        self.grant_projects = np.array([self.code("project", grant.project) for grant in self.grant_universe])
        self._account = [(s, a) for s, a in pairs if s in ACCOUNT_SERVICES and a in ("auth", "read")]
        given = scenario.identities.credential.ttl
        self._ttl = {kind: given or spec.ttl for kind, spec in self.platform.credentials.items() if spec.ttl}
        self._teams = {project.name: project.team for project in self.projects}

    # --- names, resources, pools

    def code(self, column: str, text: str) -> int:
        """The world's code of a name."""
        return self.names[column].code(text)

    def resource(self, text: str, project: str | None) -> int:
        """The code of a resource, which belongs to a project (or to none)."""
        code = self.names["resource"].code(text)
        if code == len(self._resource_project):
            self._resource_project.append(MISSING if project is None else self.code("project", project))
        return code

    def resource_projects(self) -> Array:
        """The project code of each resource code."""
        if len(self._resource_projects) < len(self._resource_project):
            self._resource_projects = np.array(self._resource_project, np.int32)
        return self._resource_projects

    def pool(self, column: str, texts: Iterable[str], project: str | None = None) -> int:
        """A pool of resources (or of the names of another column, such as `source`)."""
        if column == "resource":
            return self.pools.add([self.resource(text, project) for text in texts])
        return self.pools.add([self.code(column, text) for text in texts])

    def _project(self, number: int) -> Project:
        settings = self.platform.world
        team = f"{self._fake.word().lower()}-{self._fake.random_element(('ml', 'ai', 'data', 'research', 'platform'))}"
        name = f"{team}-{number:02d}"
        account = f"{self._fake.random_number(digits=12, fix_len=True)}"
        rng = generator(self.seed, "project", number)
        shards = Quantiles.of(settings.shards_per_dataset)
        bucket = f"s3://{self.company}-{name}"
        datasets = []
        for d in range(settings.datasets_per_project):
            count = max(int(shards(rng.random()) * min(self.scenario.load, 1.0)), 2)
            label = f"{self._fake.word().lower()}-v{rng.integers(1, 6)}-{d}"
            datasets.append(self.pool("resource", (f"{bucket}-data/{label}/part-{k:04d}" for k in range(count)), name))

        def pool(texts: Iterable[str]) -> int:
            return self.pool("resource", texts, name)

        nodes = settings.nodes_per_project
        secrets = [f"secret:{name}/{self._fake.word().lower()}-{k}" for k in range(settings.secrets_per_project)]
        database, tables = name.replace("-", "_"), range(settings.tables_per_project)
        return Project(
            name=name,
            account=account,
            team=team,
            pools={
                "account": pool([f"arn:aws:iam::{account}:root"]),
                "namespace": pool([f"namespace/{name}"]),
                "audience": pool([f"aud:{name}.{self.domain}"]),
                "metadata": pool(["169.254.169.254"]),
                "role": pool([f"arn:aws:iam::{account}:role/{name}-workloads"]),
                "keyring": pool([f"key/{name}-{k}" for k in range(2)]),
                "cluster": pool([f"cluster/{name}"]),
                "secret": pool(secrets),
                "table": pool([f"{database}.{self._fake.word().lower()}_{k}" for k in tables]),
                "llm": pool(f"foundation-model/{size}-text-{v}" for size in ("large", "small") for v in (1, 2)),
                "peer": pool(f"{self._fake.word().lower()}.{self.domain}:443" for _ in range(6)),
                "package": pool(f"pkg:{self._fake.word().lower()}" for _ in range(30)),
                "repository": pool(f"git:{self.company}/{name}-{self._fake.word().lower()}" for _ in range(5)),
            },
            datasets=datasets,
            nodes=self.pool("source", [f"10.{number % 250}.{k // 250}.{k % 250 + 2}" for k in range(nodes)]),
        )

    # --- workloads and identities

    def home(self, *name: object) -> Project:
        """The project that a new workload belongs to, by its name."""
        return self.projects[key(self.seed, "home", *name) % len(self.projects)]

    def _registry(self, workload: str, project: Project) -> str:
        """Where a workload's image comes from: its project's registry, or for some a public one."""
        u = key(self.seed, "registry", workload) / 2.0**64
        share = self.platform.world.public_images
        public = self.platform.world.public_registries
        return (
            public[int(u / share * len(public))] if u < share else f"{project.account}.dkr.ecr.{REGION}.amazonaws.com"
        )

    def _addresses(self, workload: str, project: Project) -> int:
        """Where a workload calls from: its project's nodes, or for some the Internet (hosted by a partner)."""
        u = key(self.seed, "addresses", workload) / 2.0**64
        return self.external if u < self.platform.world.outside else project.nodes

    def add_workload(
        self,
        family: str,
        name: str,
        project: Project,
        *,
        activities: Iterable[Activity],
        kinds: Sequence[str],
        pools: Mapping[str, Sequence[str] | int],
        parameters: Mapping[str, Any],
        registry: str | None = None,
        sources: int | None = None,
        identity: Identity | None = None,
    ) -> Workload:
        """Make a workload, its identity (its own or, by the sharing knob, its project's) and declared scope.

        `pools` adds to the project's pools by slot: resource names, or a pool number.  `identity` puts it under an
        existing identity.
        """
        own = registry or self._registry(name, project)
        image = f"{own}/{project.name}/{name}:1.{key(self.seed, 'tag', name) % 40}.0"
        bound = dict(project.pools)
        bound["job"] = self.pool("resource", [f"{project.name}/jobs/{name}"], project.name)
        bound["self"] = self.pool("resource", [f"workload/{name}"], project.name)
        bound["image"] = self.pool("resource", [image.rsplit(":", 1)[0]], None)
        bound["dataset"] = project.datasets[key(self.seed, "dataset", name) % len(project.datasets)]
        bound["secret"] = self.some(project.pools["secret"], 2, "secret", name)
        bound["table"] = self.some(project.pools["table"], 5, "table", name)
        for slot, given in pools.items():
            bound[slot] = given if isinstance(given, int) else self.pool("resource", given, project.name)
        identity = identity or self.add_identity(name, project)
        repeated = cycles(self, name, identity.credential_kind, identity.half_life)
        workload = Workload(
            key(0, "number", name) >> 42, name, family, project, identity, image, {}, parameters, Sessions(repeated)
        )
        identity.workloads.append(name)
        if family not in identity.families:
            identity.families.append(family)
        identity.registries.add(registry_of(image))
        identity.declared.update(Grant(service, access, project.name) for service, access in self._account)
        kept = [cycle.activity for cycle in repeated]
        for activity in [*activities, *kept]:
            self.declare(workload, activity, bound)
        for kind in kinds:
            self.allow_tools(kind, kept)
        template = Actor(
            key=key(self.seed, "workload", name),
            task_key=key(self.seed, "task", name),
            credential_key=identity.credential_key,
            identity=identity.code,
            credential_kind=self.code("credential_kind", identity.credential_kind),
            half_life=identity.half_life,
            key_made_at=identity.made_at,
            workload=self.code("workload", name),
            task_kind=MISSING,
            project=self.code("project", project.name),
            image=self.code("image", image),
            sources=self._addresses(name, project) if sources is None else sources,
            pools=bound,
        )
        for kind in kinds:
            apart = key(0, kind)  # kinds number their tasks apart: the ids of one must not be those of another
            actor = replace(
                template,
                task_kind=self.code("task_kind", kind),
                key=mix(template.key, apart),
                task_key=mix(template.task_key, apart),
            )
            workload.actors[kind] = self.actors.add(actor)
        self.workloads[name] = workload
        return workload

    def declare(self, workload: Workload, activity: Activity, pools: Mapping[str, int]) -> None:
        """Add what an activity does on these pools to the declared scope."""
        for operation in activity.operations:
            if operation.stream == "agent":
                continue
            for project in self.projects_of(pools.get(operation.slot, MISSING)) or {workload.project.name}:
                workload.identity.declared.add(Grant(operation.service, operation.access, project))

    def allow_tools(self, kind: str, activities: Iterable[Activity]) -> None:
        """Declare the operations that the intent of a kind of task needs."""
        allowed = self._task_tools.setdefault(kind, set())
        allowed.update(operation.operation for activity in activities for operation in activity.operations)

    def task_tools(self, kind: str) -> frozenset[str]:
        """The operations that the intent of a kind of task needs."""
        return frozenset(self._task_tools.get(kind, ()))

    def projects_of(self, pool: int) -> frozenset[str]:
        """The projects that own the resources of a pool."""
        known = self._pool_projects.get(pool)
        if known is None:
            owners = {self._resource_project[item] for item in self.pools.items(pool)} if pool >= 0 else set()
            known = frozenset(self.names["project"][owner] for owner in owners if owner >= 0)
            self._pool_projects[pool] = known
        return known

    def some(self, pool: int, count: int, *name: object) -> int:
        """A pool of `count` of a pool's resources, chosen by name."""
        items = self.pools.items(pool)
        chosen = generator(self.seed, "some", *name).permutation(len(items))[:count]
        return self.pools.add([items[i] for i in chosen])

    def add_identity(
        self, workload: str, project: Project, *, kind: str | None = None, orphaned: bool = False, own: bool = False
    ) -> Identity:
        """The identity of a workload: its own or, by the sharing knob, one that serves several projects.

        `kind` is that of its credential, instead of one by the scenario's shares; `own` keeps it out of the sharing.
        """
        shared = (
            not (orphaned or own) and key(self.seed, "shared", workload) / 2.0**64 < self.scenario.identities.sharing
        )
        account = workload
        if shared:
            accounts = max(round(len(self.projects) / self.platform.world.projects_per_account), 1)
            number = key(self.seed, "account", workload) % accounts
            project, account = self.projects[number], f"shared-{number:02d}"
        name = f"spiffe://{self.domain}/ns/{project.name}/sa/{account}"
        known = self.identities.get(name)
        if known is not None:
            return known
        kind = kind or self._credential_kind(name)
        if kind == STANDING:
            made = standing_key(self.platform.credential_life, self.seed, name, self.scenario.start_us)
        else:
            made = StandingKey(MISSING, 0)
        identity = Identity(
            name=name,
            code=self.code("identity", name),
            project=project.name,
            credential_kind=kind,
            ttl=made.rotation if kind == STANDING else self._ttl[kind],
            shared=shared,
            credential_key=key(self.seed, "credential", name),
            made_at=made.made_at,
            orphaned=orphaned,
        )
        self.identities[name] = identity
        return identity

    def _credential_kind(self, identity: str) -> str:
        shares = self.scenario.identities.credential.shares
        edges = list(accumulate(shares.values()))
        u = key(self.seed, "credential kind", identity) / 2.0**64 * edges[-1]
        return list(shares)[bisect_right(edges[:-1], u)]

    def rebind(self, workload: Workload, slot: str, pool: int, truth: int = 0) -> None:
        """Give all actors of a workload another pool in one slot."""
        for kind, number in workload.actors.items():
            workload.actors[kind] = self.actors.add(self.actors[number].rebound(slot, pool, truth))

    def set_image(self, workload: Workload, image: str, truth: int = 0) -> None:
        """Roll out another image; `truth` marks its pulls and job creations as a benign change."""
        repository = self.pool("resource", [image.rsplit(":", 1)[0]], None)
        workload.image = image
        for kind, number in workload.actors.items():
            actor = self.actors[number].rebound("image", repository, truth)
            if truth:
                actor = replace(actor, changed={**actor.changed, "job": truth})
            workload.actors[kind] = self.actors.add(replace(actor, image=self.code("image", image)))

    def deployment(self, calendar: Sequence[Any] = ()) -> Deployment:
        """What the deployment declares beside its log."""
        everybody = [identity for identity in self.identities.values() if not identity.orphaned]
        return Deployment(
            policy={i.name: Scope(published(self, i), frozenset(i.registries)) for i in everybody},
            inventory={
                i.name: InventoryEntry(
                    i.name,
                    i.project,
                    self._teams[i.project],
                    tuple(i.families),
                    tuple(i.workloads),
                    i.credential_kind,
                    i.made_at,
                )
                for i in everybody
            },
            calendar=tuple(calendar),
            task_tools=published_tools(self, self._task_tools),
        )
