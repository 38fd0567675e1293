"""Every knob of a scenario acts, and by its mechanism (figures: `tests/experiments/test_mechanisms.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.scenarios import load_text, override
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.events import MINUTE, SECOND

BASE = load_text(
    """
name: knobs
horizon: 4d
windows: {baseline: 1d, calibration: 1d}
load: 0.3
organisation: {projects: 4}
identities: {sharing: 0.0, orphaned: 0.0}
platform: {gpus: 8}
workloads: {training: {pipelines: 3}, inference: {services: 8}, serverless: {functions: 8}, agents: {agents: 2}}
"""
)
BRIEF = {"horizon": "1d", "windows": {"baseline": "8h", "calibration": "8h"}}
"""What records look like shows in a day."""
THEFTS = [{"attack": "token-theft", "count": 16, "strength": 0.3}]

Run = Callable[..., Simulation]


@pytest.fixture(scope="module")
def run() -> Run:
    """`run({dotted key: value}, seed=...)`: the same small world with some knobs turned, made once."""
    known: dict[str, Simulation] = {}

    def run(knobs: dict[str, Any] | None = None, seed: int = 2) -> Simulation:
        case = repr((knobs, seed))
        if case not in known:
            known[case] = simulate(override(BASE, knobs or {}), seed)
        return known[case]

    return run


@pytest.fixture(scope="module")
def run_briefly(run: Run) -> Run:
    """The same for a day."""
    return lambda knobs=None: run(BRIEF | (knobs or {}))


def table(simulation: Simulation) -> pd.DataFrame:
    batch = simulation.log.batch(0, len(simulation.log))
    texts = simulation.log.vocabulary.texts()
    coded = {
        n: np.array([*texts[n], ""], object)[batch[n]] for n in ("stream", "workload", "service", "operation", "image")
    }
    return pd.DataFrame({**coded, **{n: np.asarray(batch[n]) for n in ("time", "arrived", "task", "credential")}})


def stages(simulation: Simulation) -> float:
    """Stages that succeed in an incident, on average."""
    reached = [sum(stage.outcome == "success" for stage in i.stages) for i in simulation.truth.incidents]
    return sum(reached) / len(reached)


# --- what an intruder achieves


def test_a_shorter_ttl_shortens_what_a_stolen_credential_achieves(run: Run) -> None:
    short = {"incidents": THEFTS, "identities.downstream.ttl": "1m"}
    reached = [stages(run({**short, "identities.credential.ttl": ttl})) for ttl in ("2m", "15m", "4h")]
    assert reached[0] + 0.2 < reached[-1]
    assert reached == sorted(reached)
    ends = {i.end_reason for i in run({**short, "identities.credential.ttl": "2m"}).truth.incidents}
    assert "expired" in ends


def test_short_lived_credentials_do_not_help_against_powerful_downstream_tokens(run: Run) -> None:
    def reached(breadth: float, ttl: str) -> float:
        knobs = {"identities.downstream": {"breadth": breadth, "ttl": ttl}, "identities.credential.ttl": "2m"}
        return stages(run({"incidents": THEFTS, **knobs}))

    assert reached(1.0, "1h") > reached(1.0, "1m") + 0.2
    assert reached(1.0, "1h") > reached(0.0, "1h") + 0.2


def test_excess_privilege_lengthens_chains(run: Run) -> None:
    many = [{"attack": "token-theft", "count": 64, "strength": 0.3}]
    narrow = {"incidents": many, "identities.downstream.breadth": 0.0}
    least, *more = [stages(run({**narrow, "identities.excess_privilege": share})) for share in (0.0, 0.6, 0.95)]
    assert all(least + 0.3 < reached for reached in more)


def test_a_forgotten_key_of_an_off_boarded_identity_is_as_good_as_one_in_use(run: Run) -> None:
    leaked = {"incidents": [{"attack": "codefinger", "count": 16, "strength": 0.0}]}
    for orphaned, found in ((1.0, True), (0.0, False)):
        simulation = run({**leaked, "identities.orphaned": orphaned}, seed=1)
        taken = [i for i in simulation.truth.incidents if i.family == "retired"]
        assert bool(taken) == found
        assert not {i.identity for i in taken} & set(simulation.deployment.inventory)
        assert any(i.first_observable_at >= 0 for i in taken) == found


# --- how much there is


def test_load_multiplies_what_there_is_to_do(run: Run) -> None:
    def work(load: float) -> int:
        log = table(run({"load": load}))
        return int((~log.service.isin(["spire", "oauth", "sts", "metadata"])).sum())

    assert 2.0 < work(0.6) / work(0.2) < 4.5


@pytest.mark.parametrize("count", [1, 9])
def test_projects_are_as_many_as_asked_for(run: Run, count: int) -> None:
    projects = run({"organisation.projects": count}).log.vocabulary.texts()["project"]
    assert len(projects) == count if count == 1 else 4 < len(projects) <= count


def test_tenants_of_shared_platforms_are_as_many_as_asked_for(run: Run) -> None:
    shared = {"workloads": {"runners": {"pools": 2, "activity": 20.0}}}
    for tenants in (None, 3, 30):
        behalf = run({**shared, "organisation.tenants": tenants}).log.vocabulary.texts()["on_behalf_of"]
        seen, asked = len([name for name in behalf if name.startswith("tenant/")]), tenants or 12
        assert asked - (asked > 20) <= seen <= asked  # of many, the quietest may not build in so short a time
    given = {"workloads": {"runners": {"tenants": 5, "activity": 20.0}}, "organisation.tenants": 30}
    behalf = run(given).log.vocabulary.texts()["on_behalf_of"]
    assert len([name for name in behalf if name.startswith("tenant/")]) == 5


def test_contention_makes_jobs_wait_and_changes_nothing_else(run: Run) -> None:
    busy = {"load": 3.0, "workloads": {"training": {"pipelines": 3, "runs_per_day": 12.0}}, "platform.gpus": 1}
    free = table(run({**busy, "platform.contention": False}))
    held = table(run({**busy, "platform.contention": True}))

    def waits(log: pd.DataFrame) -> pd.Series:
        """From the creation of a training job to the pull of its image."""
        jobs = log[log.workload.str.endswith("-train") & (log.task >= 0)]
        made = jobs[jobs.operation == "create jobs"].groupby("task").time.min()
        pulled = jobs[jobs.operation == "PullImage"].groupby("task").time.min()
        return (pulled - made).dropna()

    assert waits(free).median() < MINUTE < waits(held).quantile(0.9)


# --- telemetry


def test_switched_off_streams_are_absent_and_the_rest_is_as_it_was(run_briefly: Run) -> None:
    everything = table(run_briefly())
    for stream in ("cloud_audit", "kubernetes_audit", "runtime", "issuance", "agent"):
        assert (everything.stream == stream).any()
        rest = table(run_briefly({f"telemetry.{stream}.enabled": False}))
        expected = everything[everything.stream != stream].reset_index(drop=True)
        pd.testing.assert_frame_equal(rest, expected)


def test_data_events_are_off_on_request(run_briefly: Run) -> None:
    log = table(run_briefly({"telemetry.cloud_audit.data_events": False}))
    data = {"GetObject", "PutObject", "InvokeEndpoint", "GetItem"}
    assert data <= set(table(run_briefly()).operation)
    assert not data & set(log.operation)
    assert {"InvokeModel", "GetSecretValue"} <= set(log.operation)


def test_images_show_from_audit_level_request_on(run_briefly: Run) -> None:
    shows = {}
    for level in ("Metadata", "Request", "RequestResponse"):
        log = table(run_briefly({"telemetry.kubernetes_audit.level": level}))
        created = log[(log.stream == "kubernetes_audit") & log.operation.isin(["create jobs", "create pods"])]
        shows[level] = (created.image != "").mean()
        assert (log[log.operation == "PullImage"].image != "").all()
    assert shows == {"Metadata": 0.0, "Request": 1.0, "RequestResponse": 1.0}


def test_each_stream_has_a_delay_of_its_own_and_arrives_out_of_order(run_briefly: Run) -> None:
    log = table(run_briefly({"telemetry": {"cloud_audit": {"delay": "8m"}, "issuance": {"delay": "90s"}}}))
    late = (log.arrived - log.time).groupby(log.stream).median()
    assert late["cloud_audit"] == pytest.approx(8 * MINUTE, rel=0.05)
    assert late["issuance"] == pytest.approx(90 * SECOND, rel=0.1)
    assert late["kubernetes_audit"] == pytest.approx(2 * SECOND, rel=0.1)
    assert (np.diff(log.arrived) >= 0).all()
    assert (np.diff(log.time) < 0).mean() > 0.1


def test_records_are_lost_and_delivered_twice_as_often_as_asked(run_briefly: Run) -> None:
    whole = table(run_briefly())
    lossy = table(run_briefly({"telemetry.cloud_audit.loss": 0.2}))
    cloud = (whole.stream == "cloud_audit").sum()
    assert (lossy.stream == "cloud_audit").sum() / cloud == pytest.approx(0.8, abs=0.02)
    assert (lossy.stream != "cloud_audit").sum() == (whole.stream != "cloud_audit").sum()
    twice = table(run_briefly({"telemetry.cloud_audit.duplication": 0.1}))
    assert (twice.stream == "cloud_audit").sum() / cloud == pytest.approx(1.1, abs=0.02)


def test_clocks_are_off_by_the_skew_at_most(run_briefly: Run) -> None:
    exact, skewed = run_briefly(), run_briefly({"telemetry.cloud_audit.skew": "40s"})
    off = np.asarray(skewed.log.batch(0, len(skewed.log))["time"]) - np.asarray(
        exact.log.batch(0, len(exact.log))["time"]
    )
    cloud = table(exact).stream == "cloud_audit"
    assert 20 * SECOND < np.abs(off[cloud]).max() <= 40 * SECOND
    assert not off[~cloud].any()


def test_task_context_is_recorded_for_the_share_of_tasks(run_briefly: Run) -> None:
    whole, partial = table(run_briefly()), table(run_briefly({"telemetry.cloud_audit.task_context": 0.4}))
    cloud = (whole.stream == "cloud_audit") & (whole.task >= 0)
    kept = partial.task[cloud] >= 0
    share = kept.groupby(whole.task[cloud]).agg(["mean", "size"])
    assert set(share["mean"]) == {0.0, 1.0}  # a task is recorded whole or not at all
    assert share["mean"].mean() == pytest.approx(0.4, abs=0.05)
