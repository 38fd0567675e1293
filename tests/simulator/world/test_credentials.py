from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.expansion.numbers import RENEWALS
from scopedrift.simulator.expansion.rows import Holder, StageRow
from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, SECOND
from scopedrift.simulator.world.credentials import Cycle
from scopedrift.simulator.world.sessions import LEAD, PER_CYCLE, Sessions

TTL = {"x509-svid": HOUR, "jwt-svid": 5 * MINUTE, "oauth": HOUR}
ISSUE = {"x509-svid": "FetchX509SVID", "jwt-svid": "FetchJWTSVID", "oauth": "IssueAccessToken"}
FLOW = {
    "x509-svid": ["GetInstanceIdentity", "FetchX509SVID", "AssumeRoleWithWebIdentity"],
    "jwt-svid": ["GetInstanceIdentity", "FetchJWTSVID", "AssumeRoleWithWebIdentity"],
    "oauth": ["GetInstanceIdentity", "IssueAccessToken"],
    "static-key": ["GetCallerIdentity"],
}
BUSY = "{training: {pipelines: 2}, inference: {services: 3}, serverless: {functions: 8, most_per_day: 250.0}}"

Run = Callable[..., Simulation]


@pytest.fixture(scope="module")
def run() -> Run:
    """`run(kind, ...)`: a benign world in which everybody holds one kind of credential; nothing fails or is lost."""
    known: dict[object, Simulation] = {}

    def run(kind: str = "x509-svid", *, more: str = "", workloads: str = BUSY, horizon: str = "3d") -> Simulation:
        case = (kind, more, workloads, horizon)
        if case not in known:
            text = f"""
                name: credentials
                horizon: {horizon}
                windows: {{baseline: 1d, calibration: 1d}}
                errors: 0.0
                turns: 0.0
                novelty: 0.0
                organisation: {{projects: 2}}
                identities: {{sharing: 0.3, orphaned: 0.0, credential: {{kind: {kind}}}{more}}}
                workloads: {workloads}
                telemetry: {{cloud_audit: {{delay: 0s}}, runtime: {{delay: 0s}}, issuance: {{delay: 0s}}}}
                """
            known[case] = simulate(load_text("\n".join(line.strip() for line in text.splitlines())), 5)
        return known[case]

    return run


def events(simulation: Simulation) -> pd.DataFrame:
    """The log by time of event (microseconds)."""
    batch = simulation.log.batch(0, len(simulation.log))
    columns = ("identity", "workload", "service", "operation", "stream", "outcome", "credential_kind")
    vocabulary = simulation.log.vocabulary
    table = {name: np.array(vocabulary.texts()[name], object)[batch[name]] for name in columns}
    frame = pd.DataFrame({**table, **{name: np.asarray(batch[name]) for name in ("time", "credential", "task")}})
    return frame.sort_values("time", kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("kind", list(TTL))
def test_no_credential_is_used_beyond_half_of_its_time_to_live(run: Run, kind: str) -> None:
    log = events(run(kind))
    used = log.groupby("credential").time.agg(["min", "max"])
    assert set(log.credential_kind) == {kind}
    assert (used["max"] - used["min"]).max() <= TTL[kind] // 2 + LEAD


@pytest.mark.parametrize("kind", list(TTL))
def test_every_credential_was_issued_before_it_was_used(run: Run, kind: str) -> None:
    log = events(run(kind))
    issued = log[log.operation == ISSUE[kind]].groupby("credential").time.min()
    first = log[~log.service.isin(["metadata", "spire", "oauth"])].groupby("credential").time.min()
    assert set(first.index) <= set(issued.index)
    late = (issued.reindex(first.index) - first)[lambda lag: lag > 0]
    assert late.empty
    assert set(log[log.operation == ISSUE[kind]].stream) == {"issuance"}


@pytest.mark.parametrize("kind", list(TTL))
def test_a_service_renews_at_half_life_without_a_gap(run: Run, kind: str) -> None:
    log = events(run(kind))
    service = log[log.workload == "service-0000"]
    renewed = service[service.operation == ISSUE[kind]].time.diff().dropna()
    assert renewed.max() <= TTL[kind] // 2 + LEAD
    assert (renewed > TTL[kind] // 2 - LEAD).mean() > 0.95  # but for restarts
    assert renewed.median() == pytest.approx(TTL[kind] // 2, abs=LEAD)


def test_the_ttl_is_a_knob(run: Run) -> None:
    log = events(run("{x509-svid: 1.0}, ttl: 10m"))
    used = log.groupby("credential").time.agg(["min", "max"])
    assert 4 * MINUTE < (used["max"] - used["min"]).max() <= 5 * MINUTE + LEAD


@pytest.mark.parametrize("kind", list(FLOW))
def test_a_start_up_flow_comes_first_and_in_order(run: Run, kind: str) -> None:
    log = events(run(kind, workloads="{inference: {services: 8, releases_per_week: 0.0}}"))
    ours = log[log.workload.str.startswith("service-") & (log.task >= 0)]
    starts = ours[ours.task.isin(ours.task[ours.operation == "PullImage"])].groupby("task")
    for _, task in starts:
        flow = [*FLOW[kind], "GetSecretValue", "GetAuthorizationToken", "PullImage"]
        assert [operation for operation in task.operation if operation in flow][: len(flow)] == flow
        assert task.time.iloc[len(flow) - 1] - task.time.iloc[0] < 10 * SECOND
    assert len(starts) >= 8


def test_what_starts_again_has_a_new_credential(run: Run) -> None:
    log = events(run("x509-svid", workloads="{inference: {services: 6, releases_per_week: 40.0}}"))
    pulled = log[(log.operation == "PullImage") & (log.service == "containerd")]
    for _, service in pulled.groupby("workload"):
        assert len(service) > 3
    starts = log[log.operation == "GetInstanceIdentity"]
    assert starts.credential.is_unique


def test_some_identities_exchange_their_token_and_its_ttl_is_a_knob(run: Run) -> None:
    counts = {}
    for ttl in ("1h", "20m"):
        log = events(run("x509-svid", more=f", downstream: {{ttl: {ttl}}}", workloads="{inference: {services: 30}}"))
        exchanged = log[log.operation == "ExchangeToken"]
        assert 0.1 < exchanged.identity.nunique() / log.identity.nunique() < 0.5
        assert set(exchanged.stream) == {"issuance"}
        counts[ttl] = len(exchanged)
    assert counts["20m"] == pytest.approx(3 * counts["1h"], rel=0.1)


def test_cloud_roles_are_assumed_again_before_their_session_ends(run: Run) -> None:
    log = events(run("jwt-svid"))
    service = log[(log.workload == "service-0000") & (log.operation == "AssumeRoleWithWebIdentity")]
    assert service.time.diff().max() <= 54 * MINUTE + LEAD < HOUR


def test_a_static_key_is_one_for_all_sessions_of_its_identity(run: Run) -> None:
    simulation = run("static-key")
    log = events(simulation)
    for name, held in log.groupby("identity"):
        made = simulation.deployment.inventory[name].key_made_at
        old = simulation.scenario.start_us - made > 90 * DAY
        assert held.credential.nunique() == 1 if old else held.credential.nunique() <= 2
    assert log.credential.nunique() < 1.2 * log.identity.nunique()
    assert not (log.stream == "issuance").any()


def test_rotated_keys_change_when_they_are_due_and_their_services_start_again(run: Run) -> None:
    services = "{inference: {services: 24, requests_per_hour: 0.5, releases_per_week: 0.0}}"
    simulation = run("static-key", workloads=services, horizon="60d")
    log, start = events(simulation), simulation.scenario.start_us
    rotated = 0
    for name, held in log.groupby("identity"):
        due = simulation.deployment.inventory[name].key_made_at + 90 * DAY
        changed = held.time[held.credential != held.credential.iloc[0]]
        if due - start <= 0 or due >= simulation.scenario.end_us:
            assert changed.empty
            continue
        rotated += 1
        assert held.time[held.time < due].max() < due <= changed.min()
        assert held.credential[held.time >= due].nunique() == 1
        for _, service in held.groupby("workload"):
            restarted = service[(service.operation == "PullImage") & (service.time >= due)].time.min()
            assert restarted - due < 11 * MINUTE
    assert rotated >= 1


def test_kinds_of_credential_are_mixed_as_asked(run: Run) -> None:
    mixed = "{x509-svid: 0.5, jwt-svid: 0.2, oauth: 0.2, static-key: 0.1}"
    log = events(run(mixed, workloads="{serverless: {functions: 300, most_per_day: 20.0}}"))
    kinds = log.groupby("identity").credential_kind.agg(["nunique", "first"])
    assert (kinds["nunique"] == 1).all()
    shares = kinds["first"].value_counts(normalize=True)
    assert dict(shares) == pytest.approx({"x509-svid": 0.5, "jwt-svid": 0.2, "oauth": 0.2, "static-key": 0.1}, abs=0.07)


# --- sessions alone


def kept(visits: list[tuple[int, int, int]], limit: int) -> list[StageRow]:
    """What a workload's sessions log when tasks act at (gap, session, length), forgetting beyond `limit` sessions."""
    cycles = tuple(
        Cycle(SimpleNamespace(code=code, operations=(None,)), period, renews=code == 0, lazy=code == 2)  # type: ignore[arg-type]
        for code, period in enumerate((30, 54, 54))
    )
    logged: list[StageRow] = []
    sessions, anchors, now = Sessions(cycles, limit), dict[int, int](), 0
    for gap, session, length in visits:
        now += gap
        holder = Holder(actor=0, job=0, session=session, anchor=anchors.setdefault(session, now))
        logged += sessions.keep(holder, now, now + length)[1]
    return logged


visits = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.integers(0, 90)), max_size=30)


@settings(max_examples=60)
@given(visits)
def test_forgetting_sessions_that_are_over_changes_nothing(visits: list[tuple[int, int, int]]) -> None:
    assert kept(visits, limit=0) == kept(visits, limit=1_000)


@settings(max_examples=60)
@given(visits)
def test_no_period_is_logged_twice_and_none_that_is_used_is_missed(visits: list[tuple[int, int, int]]) -> None:
    logged = kept(visits, limit=8)
    numbers = defaultdict[tuple[int, int], list[int]](list)
    for row in logged:
        numbers[row.holder.session, row.activity].append(row.stage - RENEWALS.at(PER_CYCLE * row.activity))
    assert all(len(set(each)) == len(each) for each in numbers.values())
    now, anchors = 0, dict[int, int]()
    for gap, session, length in visits:
        now += gap
        anchor = anchors.setdefault(session, now)
        for moment in range(now, now + length + 1):
            assert (moment - anchor) // 30 in numbers[session, 0]


def test_what_is_obtained_when_needed_is_obtained_at_another_time_in_each_session() -> None:
    """Once within its first period: so a role is asked for early in one task, and late in another."""
    cycle = Cycle(SimpleNamespace(code=0, operations=(None,)), HOUR, at_start=False, lazy=True)  # type: ignore[arg-type]
    sessions, first = Sessions((cycle,)), []
    for session in range(400):
        sessions.start(session, 0, 9 * SECOND)
        _, rows = sessions.keep(Holder(actor=0, job=0, session=session, anchor=0), 9 * SECOND, 2 * HOUR - 1)
        assert len(rows) == 2, "once within each hour"
        first.append(rows[0].start)
    assert min(first) < MINUTE
    assert max(first) > 55 * MINUTE
    assert sum(each < 15 * MINUTE for each in first) == pytest.approx(200, abs=40), "half of them in the first quarter"
