"""The simulated organisation: projects and their resources, identities, workloads.

Built once per run from the scenario and the seed; the Faker library names things here and nowhere else.
Names are registered in per-column lists (the world's codes); a log renumbers them by first arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from scopedrift.scenarios import Scenario, catalogue
from scopedrift.scenarios.documents import Problem, ScenarioError
from scopedrift.simulator.expansion.activities import Activity, Operations
from scopedrift.simulator.expansion.tables import Actor, Exits, Tables
from scopedrift.simulator.log.events import DAY, MISSING, registry_of
from scopedrift.simulator.randomness import generator, key, mix
from scopedrift.simulator.world.credentials import Credentials
from scopedrift.simulator.world.entitlements import Entitlements
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.naming import Naming, other_protocol
from scopedrift.simulator.world.policy import CalendarEntry, Grant
from scopedrift.simulator.world.rhythm import Rhythm
from scopedrift.simulator.world.sessions import Sessions
from scopedrift.simulator.world.workload import Project, Workload

ACCOUNT_SERVICES: Final = ("metadata", "spire", "oauth", "sts", "containerd", "process", "network")
"""Services every workload calls to exist at all: part of every declared scope."""
REGION: Final = "eu-west-1"
ROLE: Final = "operators"
"""What the role is called that a project's workloads assume."""


class SimulatedWorld(Tables):
    """Everything that exists; read by the processes, changed only by releases, changes and incidents."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        super().__init__(Operations(catalogue.operations()))
        self.scenario = scenario
        self.seed = seed
        self.platform = catalogue.platform()
        self._rhythms = {name: Rhythm(spec) for name, spec in self.platform.rhythm.items()}
        self.identities: dict[str, Identity] = {}
        self.workloads: dict[str, Workload] = {}
        self._families: dict[str, list[Workload]] = {}
        self.calendar: list[CalendarEntry] = []
        """What workload families plan and announce; changes add theirs."""
        self.tools: dict[str, set[str]] = {}
        """The operations that the intent of a kind of task needs."""
        naming, holds = Naming(seed, scenario.organisation.domain), self.platform.world
        self.company, self.domain = naming.company, naming.domain
        self.projects = [
            naming.project(self, number, holds, scenario.load) for number in range(scenario.organisation.projects)
        ]
        self.external = self.addresses(naming.outside())
        """Addresses on the Internet that ordinary callers use too (partners, hosted runners)."""
        often = scenario.turns
        self.exits = Exits(holds.other_protocol * often, holds.by_exit * often, round(holds.exit_days * DAY))
        for project in self.projects:
            twins = [other_protocol(self.names["source"][node]) for node in self.pools.items(project.nodes)]
            self.connect(project.nodes, twins, self.sample(self.external, holds.exits, "exits", project.name))
        self.credentials = Credentials(scenario, seed, self.platform, self.activities)
        names = [project.name for project in self.projects]
        self._account = {
            (o.service, o.access)
            for o in self.operations.all
            if o.service in ACCOUNT_SERVICES and o.access in ("auth", "read")
        }
        self.entitlements = Entitlements(seed, scenario.identities, self, names)
        self.roles = {project.name: self._new_identity(f"{project.name}-{ROLE}", project) for project in self.projects}
        """The role of each project that its workloads assume now and then."""

    def rhythm(self, name: str) -> Rhythm:
        """A rhythm of the week, by its name in `platform.yaml`.

        Raises `ScenarioError` that lists those that there are.
        """
        if name not in self._rhythms:
            raise ScenarioError(Problem(f"unknown rhythm {name!r}: expected one of {', '.join(self._rhythms)}"))
        return self._rhythms[name]

    def of_family(self, family: str) -> list[Workload]:
        """The workloads of a family, in the order in which they were made."""
        return self._families.get(family, [])

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
        identity: Identity | None = None,
    ) -> Workload:
        """Make a workload, its identity (its own or, by the sharing knob, its project's) and declared scope.

        `pools` adds to the project's pools by slot: resource names, or a pool number.  `identity` puts it under an
        existing identity.
        """
        image = f"{self._registry(name, project)}/{project.name}/{name}:1.{key(self.seed, 'tag', name) % 40}.0"
        bound = self._bound(name, project, image, pools)
        identity = identity or self.add_identity(name, project)
        repeated = self.credentials.cycles(name, identity.credential_kind, identity.half_life)
        workload = self.workloads[name] = Workload(
            number=key(0, "number", name) >> 42,
            name=name,
            family=family,
            project=project,
            identity=identity,
            image=image,
            actors={},
            sessions=Sessions(repeated),
        )
        self._families.setdefault(family, []).append(workload)
        for each in (identity, self.roles[project.name]):
            each.workloads.append(name)
            if family not in each.families:
                each.families.append(family)
            each.registries.add(registry_of(image))
            each.declared.update(Grant(service, access, project.name) for service, access in self._account)
        self._act(workload, kinds, bound)
        kept = [cycle.activity for cycle in repeated]
        for activity in [*activities, *kept]:
            self.declare(workload, activity, bound)
        for kind in kinds:
            self.allow_tools(kind, kept)
        return workload

    def _bound(
        self, name: str, project: Project, image: str, pools: Mapping[str, Sequence[str] | int]
    ) -> dict[str, int]:
        """The pools of a workload by slot: its project's, some of its own, and those that are given."""
        bound = dict(project.pools)
        bound["job"] = self.pool([f"{project.name}/jobs/{name}"], project.name)
        bound["self"] = self.pool([f"workload/{name}"], project.name)
        bound["image"] = self.pool([image.rsplit(":", 1)[0]], None)
        bound["dataset"] = project.datasets[key(self.seed, "dataset", name) % len(project.datasets)]
        bound["secret"] = self.sample(project.pools["secret"], 2, "secret", name)
        bound["table"] = self.sample(project.pools["table"], 5, "table", name)
        for slot, given in pools.items():
            bound[slot] = given if isinstance(given, int) else self.pool(given, project.name)
        return bound

    def _act(self, workload: Workload, kinds: Sequence[str], bound: Mapping[str, int]) -> None:
        """Give a workload an actor for each kind of task."""
        name, identity = workload.name, workload.identity
        own, task = key(self.seed, "workload", name), key(self.seed, "task", name)
        for kind in kinds:
            apart = key(0, kind)  # kinds number their tasks apart: the ids of one must not be those of another
            actor = Actor(
                key=mix(own, apart),
                task_key=mix(task, apart),
                credential_key=identity.credential_key,
                identity=identity.code,
                credential_kind=self.code("credential_kind", identity.credential_kind),
                half_life=identity.half_life,
                key_made_at=identity.made_at,
                workload=self.code("workload", name),
                task_kind=self.code("task_kind", kind),
                project=self.code("project", workload.project.name),
                image=self.code("image", workload.image),
                sources=self._addresses(name, workload.project),
                pools=bound,
            )
            workload.actors[kind] = self.actors.add(actor)

    def declare(self, workload: Workload, activity: Activity, pools: Mapping[str, int]) -> None:
        """Add what an activity does on these pools to the declared scope."""
        for operation in activity.operations:
            if operation.stream == "agent":
                continue
            for project in self.projects_of(pools.get(operation.slot, MISSING)) or {workload.project.name}:
                grant = Grant(operation.service, operation.access, project)
                workload.identity.declared.add(grant)
                self.roles[workload.project.name].declared.add(grant)

    def allow_tools(self, kind: str, activities: Iterable[Activity]) -> None:
        """Declare the operations that the intent of a kind of task needs."""
        allowed = self.tools.setdefault(kind, set())
        allowed.update(operation.operation for activity in activities for operation in activity.operations)

    def task_tools(self, kind: str) -> frozenset[str]:
        """The operations that the intent of a kind of task needs."""
        return frozenset(self.tools.get(kind, ()))

    def sample(self, pool: int, count: int, *name: object) -> int:
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
        identity = self.identities[name] = self._new_identity(account, project, kind, shared=shared, orphaned=orphaned)
        return identity

    def _new_identity(
        self, account: str, project: Project, kind: str | None = None, *, shared: bool = False, orphaned: bool = False
    ) -> Identity:
        name = f"spiffe://{self.domain}/ns/{project.name}/sa/{account}"
        terms = self.credentials.terms(name, kind)
        return Identity(
            name=name,
            code=self.code("identity", name),
            project=project.name,
            credential_kind=terms.kind,
            ttl=terms.ttl,
            shared=shared,
            credential_key=key(self.seed, "credential", name),
            made_at=terms.made_at,
            orphaned=orphaned,
        )
