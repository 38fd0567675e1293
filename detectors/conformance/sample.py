"""A small made-up event log with the knowledge that goes with it, for conformance checks and tests.

Twenty-four identities of four kinds run tasks over some days; records arrive late, out of order, and some
lack parts.  It is not a scenario: it has no incidents and no truth.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, DTYPES, HOUR, MINUTE, SECOND, Array, Vocabulary
from scopedrift.simulator.world.policy import CalendarEntry, Grant, InventoryEntry, Scope

START = 1_767_571_200 * SECOND  # 2026-01-05, a Monday
_IDENTITIES = 24
_KINDS = ("trainer", "endpoint", "runner", "agent")
_ACTIONS: tuple[tuple[str, str, str, str, str], ...] = (  # service, operation, access, stream, steps of which kinds
    ("metadata", "GetMetadataToken", "auth", "runtime", "0123"),
    ("iam", "AssumeRole", "auth", "issuance", "0123"),
    ("secrets", "GetSecretValue", "read", "cloud_audit", "0123"),
    ("storage", "GetObject", "read", "cloud_audit", "0123"),
    ("storage", "PutObject", "write", "cloud_audit", "02"),
    ("storage", "ListObjects", "read", "cloud_audit", "03"),
    ("kubernetes", "create jobs", "create", "kubernetes_audit", "02"),
    ("kubernetes", "get pods", "read", "kubernetes_audit", "12"),
    ("models", "InvokeModel", "read", "cloud_audit", "13"),
    ("analytics", "StartQuery", "read", "cloud_audit", "3"),
    ("registry", "PullImage", "read", "runtime", "02"),
    ("storage", "DeleteObject", "delete", "cloud_audit", "2"),
)


def sample_log(events: int = 2400, *, days: float = 4.0, seed: int = 0) -> EventLog:
    """A made-up log of `events` records over `days` days, which nobody else holds."""
    columns, names = _content(events, days, seed)
    return EventLog.from_columns({name: column.copy() for name, column in columns.items()}, Vocabulary(names))


@lru_cache(maxsize=8)
def _content(events: int, days: float, seed: int) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """The columns of such a log, and the names behind the coded ones: checks ask for the same few again and again."""
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(2, _IDENTITIES + 2)
    who = rng.choice(_IDENTITIES, events, p=weights / weights.sum())
    time = START + np.sort(rng.uniform(0, days * DAY, events)).astype(np.int64)
    arrived = time + rng.exponential(90 * SECOND, events).astype(np.int64)
    order = np.argsort(arrived, kind="stable")
    who, time, arrived = who[order], time[order], arrived[order]
    kind = who % len(_KINDS)
    menus = [[a for a, action in enumerate(_ACTIONS) if str(k) in action[4]] for k in range(len(_KINDS))]
    sizes = np.array([len(menu) for menu in menus])
    laid = np.array([menu + [-1] * (max(sizes) - len(menu)) for menu in menus])
    action = laid[kind, (rng.random(events) ** 2 * sizes[kind]).astype(int)]
    stray = rng.random(events) < 0.01
    action[stray] = rng.integers(0, len(_ACTIONS), int(stray.sum()))
    project = np.where(rng.random(events) < 0.02, rng.integers(0, 4, events), who % 4)
    task = who * 1_000_003 + (time - START) // (20 * MINUTE)
    data = (project * 5 + rng.integers(0, 5, events)) * 30 + rng.integers(0, 30, events)
    registry = (rng.random(events) >= 0.03).astype(int)
    image = np.where(np.isin(action, (6, 10)), registry * len(_KINDS) + kind, -1)

    def told(rows: Array, share: float) -> Array:
        return np.where(rng.random(events) < share, rows, -1)

    people = range(_IDENTITIES)
    names = [identity_name(i) for i in people]
    texts: dict[str, tuple[list[str], Array]] = {  # what may be said, and which of it each event says (-1: nothing)
        "stream": ([a[3] for a in _ACTIONS], action),
        "identity": (names, told(who, 0.995)),
        "credential_kind": (["jwt-svid", "x509-svid", "x509-svid"], who % 3),
        "workload": ([f"{_KINDS[i % 4]}-{i // 8}" for i in people], who),
        "task_kind": ([f"{k}-task" for k in _KINDS], told(kind, 0.8)),
        "on_behalf_of": (names, told((who + 1) % _IDENTITIES, 0.1)),
        "service": ([a[0] for a in _ACTIONS], action),
        "operation": ([a[1] for a in _ACTIONS], action),
        "access": ([a[2] for a in _ACTIONS], action),
        "resource": (
            [f"project-{p}/data-{u}/part-{v}" for p in range(4) for u in range(5) for v in range(30)],
            told(data, 0.95),
        ),
        "project": ([f"project-{p}" for p in range(4)], told(project, 0.98)),
        "image": ([f"registry.{r}.example/team/{_KINDS[k]}:{k}" for r in ("other", "acme") for k in range(4)], image),
        "source": ([f"10.0.{i}.{u}" for i in people for u in range(9)], who * 9 + rng.integers(0, 9, events)),
        "outcome": (["denied", "error", "success"], np.digitize(rng.random(events), (0.02, 0.04))),
    }
    vocabulary = Vocabulary()
    columns = {name: _codes(vocabulary, name, said, rows) for name, (said, rows) in texts.items()}
    columns |= {
        "time": time,
        "arrived": arrived,
        "credential": who * 7_000_003 + (time - START) // HOUR,
        "task": np.where(rng.random(events) < 0.9, task, -1),
        "bytes": np.where(np.isin(action, (3, 4)), rng.lognormal(10, 2, events), -1).astype(np.int64),
    }
    return columns, {name: vocabulary[name].texts() for name in texts}


def sample_knowledge(*, seed: int = 0) -> Knowledge:
    """What would be known beside `sample_log`."""
    policy, inventory = {}, {}
    names = [identity_name(i) for i in range(_IDENTITIES)]
    for i, name in enumerate(names[:-2]):  # two identities have no declared scope
        kind, project = _KINDS[i % 4], f"project-{i % 4}"
        wanted = [action for action in _ACTIONS if str(i % 4) in action[4]]
        grants = frozenset(Grant(service, access, project) for service, _, access, _, _ in wanted)
        policy[name] = Scope(grants, frozenset({"registry.acme.example"}))
        inventory[name] = InventoryEntry(name, project, "team", (kind,), (f"{kind}-{i // 8}",), "x509-svid")
    tools = {f"{k}-task": frozenset(a[1] for a in _ACTIONS if str(n) in a[4]) for n, k in enumerate(_KINDS)}
    begin = START + int(2.4 * DAY)
    whose, where = frozenset({names[0]}), frozenset({"registry.other.example"})
    move = CalendarEntry("registry-migration", begin, begin + 6 * HOUR, whose, registries=where)
    return Knowledge(policy=policy, inventory=inventory, calendar=(move,), task_tools=tools, seed=seed)


def identity_name(number: int) -> str:
    """The SPIFFE ID of identity `number`."""
    return f"spiffe://acme.example/ns/project-{number % 4}/sa/{_KINDS[number % 4]}-{number}"


def _codes(vocabulary: Vocabulary, column: str, texts: list[str], rows: Array) -> Array:
    """The codes of these rows of `texts`, which become names in order of first appearance."""
    found, first, where = np.unique(rows, return_index=True, return_inverse=True)
    codes = np.empty(len(found), DTYPES[column])
    for place in np.argsort(first):
        codes[place] = -1 if found[place] < 0 else vocabulary[column].code(texts[found[place]])
    return codes[where]
