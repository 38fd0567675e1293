"""Stage rows become events: each a function of its own numbers, however the log is cut and whatever else happens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from scopedrift.scenarios.catalogue import ActivitySpec
from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.numbers import NO_TASK
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.expansion.rows import DENIED, NORMAL, OUTAGE, Holder, StageRow
from scopedrift.simulator.log.events import COLUMNS, HOUR, MINUTE, MISSING, SECOND
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.organisation import SimulatedWorld

START = 1_767_571_200_000_000
AT_ONCE = "{cloud_audit: {delay: 0s}}"


@pytest.fixture(scope="module")
def world(scenario_of):
    scenario = scenario_of(workloads="{serverless: {functions: 3}}", incidents="[]", changes="[]", telemetry=AT_ONCE)
    world = SimulatedWorld(scenario, 3)
    build_family(world, "serverless", scenario.workloads["serverless"])
    world.activities.add(
        "test/walk", ActivitySpec(sequence=["metadata.identity", "secrets.get", "storage.read", "job.create"])
    )
    world.activities.add("test/mix", ActivitySpec(mix={"storage.read": 3, "storage.list": 1, "analytics.query": 1}))
    world.activities.add("test/paced", ActivitySpec(mix={"storage.read": 1}, spread="even"))
    return world


@pytest.fixture
def recorder(world):
    return Recorder(world, Delivery(world.scenario, 3, world.operations))


def actor(world, number=0):
    return next(iter(list(world.workloads.values())[number].actors.values()))


def emit(world, recorder, activity="test/mix", start=START, duration=MINUTE, events=10, stage=0, outcome=NORMAL, **who):
    holder = Holder(**{"actor": actor(world), "job": 1, **who})
    recorder.add(StageRow(holder, stage, world.activities[activity].code, start, duration, events, outcome=outcome))


def by_time(window):
    """The columns of a window in order of event time."""
    columns, truth = window
    order = np.argsort(columns["time"], kind="stable")
    return {name: column[order] for name, column in columns.items()} | {"truth": truth[order]}


# --- windows

STAGE = st.tuples(
    st.sampled_from(["test/mix", "test/walk", "test/paced"]),
    st.integers(0, 2 * HOUR),  # start
    st.integers(0, 3 * HOUR),  # duration
    st.integers(1, 9),  # events
    st.integers(0, 2),  # actor
)


@settings(max_examples=40)
@given(stages=st.lists(STAGE, min_size=1, max_size=12), cuts=st.lists(st.integers(0, 3 * HOUR), max_size=4))
def test_the_log_does_not_depend_on_where_the_windows_are_cut(stages, cuts, world):
    def expand(cuts):
        recorder = Recorder(world, Delivery(world.scenario, 3, world.operations))
        waiting = sorted(enumerate(stages), key=lambda item: item[1][1])
        windows = []
        for cut in [*sorted(cuts), None]:
            while waiting and (cut is None or waiting[0][1][1] < cut):
                job, (activity, start, duration, count, who) = waiting.pop(0)
                emit(world, recorder, activity, START + start, duration, count, job=job, actor=actor(world, who))
            windows.append(recorder.flush(None if cut is None else START + cut))
        windows = [window for window in windows if window is not None]
        return {name: np.concatenate([columns[name] for columns, _ in windows]).tolist() for name in COLUMNS}

    whole = expand([])
    assert len(whole["time"]) == sum(count for *_, count, _ in stages)
    assert whole["arrived"] == sorted(whole["arrived"])
    assert expand(cuts) == whole


def test_what_waits_is_what_has_not_arrived(world, recorder):
    emit(world, recorder, "test/paced", duration=10 * HOUR, events=1000)
    columns, _ = recorder.flush(START + HOUR)
    assert 90 <= len(columns["time"]) <= 110 and columns["arrived"].max() < START + HOUR
    rest, _ = recorder.flush(None)
    assert len(rest["time"]) + len(columns["time"]) == 1000 and rest["arrived"].min() >= START + HOUR
    assert recorder.flush(None) is None


# --- one stage


def test_a_stage_is_the_same_whatever_else_is_logged(world):
    def expand(others):
        recorder = Recorder(world, Delivery(world.scenario, 3, world.operations))
        for job in range(others):
            emit(world, recorder, events=50, job=100 + job, actor=actor(world, 1 + job % 2))
        emit(world, recorder, events=40, job=7, session=5)
        columns, _ = recorder.flush(None)
        mine = columns["workload"] == world.code("workload", next(iter(world.workloads)))
        return {name: column[mine].tolist() for name, column in columns.items()}

    assert expand(0) == expand(9) and len(expand(9)["time"]) == 40


@settings(max_examples=30)
@given(
    st.sampled_from(["test/mix", "test/walk", "test/paced"]),
    st.integers(0, HOUR),
    st.integers(1, 30),
    st.integers(0, 99),
)
def test_events_lie_within_their_stage(activity, duration, count, job):
    world = test_events_lie_within_their_stage.world
    recorder = Recorder(world, Delivery(world.scenario, 3, world.operations))
    emit(world, recorder, activity, duration=duration, events=count, job=job)
    columns, _ = recorder.flush(None)
    assert len(columns["time"]) == count
    assert columns["time"].min() >= START and columns["time"].max() <= START + duration
    assert (columns["arrived"] >= columns["time"]).all()


@pytest.fixture(autouse=True, scope="module")
def _world_of_the_property(world):
    test_events_lie_within_their_stage.world = world


def test_a_sequence_is_logged_step_by_step(world, recorder):
    emit(world, recorder, "test/walk", events=8)
    names = world.names["operation"]
    assert [names[code] for code in by_time(recorder.flush(None))["operation"]] == [
        "GetInstanceIdentity", "GetSecretValue", "GetObject", "create jobs",
    ] * 2  # fmt: skip


def test_a_mix_follows_its_weights(world, recorder):
    emit(world, recorder, events=20_000, duration=HOUR)
    columns = by_time(recorder.flush(None))
    share = (columns["operation"] == world.names["operation"].find("GetObject")).mean()
    assert abs(share - 0.6) < 5 * np.sqrt(0.6 * 0.4 / 20_000) + 1 / 1024


def test_an_event_has_a_missing_size_unless_it_succeeded(world, recorder):
    emit(world, recorder, events=2000, duration=HOUR)
    columns = by_time(recorder.flush(None))
    read = columns["operation"] == world.names["operation"].find("GetObject")
    good = columns["outcome"] == 0
    assert (columns["bytes"][read & good] >= 0).all() and (columns["bytes"][~good] == MISSING).all()


@pytest.mark.parametrize(("outcome", "share"), [(0, 0.049), (OUTAGE, 0.392), (DENIED, 1.0)])
def test_calls_fail_at_their_rate_eight_times_it_in_an_outage_and_always_when_denied(outcome, share, world, recorder):
    emit(world, recorder, "test/paced", events=20_000, duration=HOUR, outcome=outcome)
    columns = by_time(recorder.flush(None))
    failed = columns["outcome"] != 0
    assert abs(failed.mean() - share) < 5 * np.sqrt(share * (1 - share) / 20_000) + 0.001
    assert outcome != DENIED or (columns["outcome"] == 1).all()


def test_a_failed_call_is_made_again_on_the_same_resource(world, recorder):
    emit(world, recorder, events=5000, duration=5000 * SECOND)  # "uniform": the order in time is not that of the calls
    paced = world.activities.add(
        "test/paced mix", ActivitySpec(mix={"storage.read": 3, "analytics.query": 1}, spread="even")
    )
    recorder.flush(None)
    emit(world, recorder, paced.name, duration=5000 * SECOND, events=5000, job=2)
    columns = by_time(recorder.flush(None))
    failed = columns["outcome"] != 0
    fresh = np.flatnonzero(failed[1:-1] & ~failed[:-2]) + 1
    assert len(fresh) > 100
    assert (columns["operation"][fresh + 1] == columns["operation"][fresh]).all()
    assert (columns["resource"][fresh + 1] == columns["resource"][fresh]).all()


# --- what belongs together


def test_a_task_has_one_id_and_a_session_one_credential_until_it_is_renewed(world, recorder):
    half = world.actors[actor(world)].half_life
    emit(world, recorder, events=50, job=1, stage=0, session=4, anchor=START)
    emit(world, recorder, events=50, job=1, stage=1, session=4, anchor=START, start=START + half - MINUTE)
    emit(world, recorder, events=50, job=1, stage=2, session=4, anchor=START, start=START + half)
    emit(world, recorder, events=50, job=2, stage=0, session=5, anchor=START)
    columns = by_time(recorder.flush(None))
    task, credential = columns["task"], columns["credential"]
    assert len(np.unique(task)) == 2 and (task >= 0).all() and (credential >= 0).all()
    late = columns["time"] >= START + half
    assert len(np.unique(credential)) == 3 and len(np.unique(credential[late])) == 1
    assert not set(credential[late]) & set(credential[~late])
    assert len({(t, c) for t, c in zip(task[~late].tolist(), credential[~late].tolist(), strict=True)}) == 2


def test_an_event_outside_any_task_carries_none(world, recorder):
    emit(world, recorder, job=NO_TASK)
    columns, _ = recorder.flush(None)
    assert (columns["task"] == MISSING).all() and (columns["task_kind"] == MISSING).all()


# --- nothing betrays which stage caused an event


def test_among_equal_arrivals_the_order_says_nothing_of_the_cause(world, recorder):
    """All at one instant, what is injected emitted first, half of all: position within a tie is a fair coin."""
    for job in range(4000):
        emit(world, recorder, "test/paced", duration=1, events=1, job=job, truth=1)
    for job in range(4000, 8000):
        emit(world, recorder, "test/paced", duration=1, events=1, job=job, actor=actor(world, 1))
    columns, truth = recorder.flush(None)
    arrived = columns["arrived"]
    equal = np.flatnonzero((arrived[1:] == arrived[:-1]) & (truth[1:] != truth[:-1]))
    first = int((truth[equal] > 0).sum())
    assert len(equal) > 1000
    assert binomtest(first, len(equal)).pvalue > 1e-4


# --- the order of calls


def test_most_stages_list_before_they_read(world, recorder):
    world.activities.add("test/reading", ActivitySpec(mix={"storage.list": 1, "storage.read": 3}))
    for stage in range(200):
        emit(world, recorder, "test/reading", events=12, stage=stage, start=START + stage * MINUTE)
    shown = by_time(recorder.flush(None))
    code = {name: world.operations.codes[name] for name in ("storage.list", "storage.read")}
    called, stage = shown["operation"], (shown["time"] - START) // MINUTE
    kinds = {name: world.operations.operation[at] for name, at in code.items()}
    first = {
        name: {int(each): int(np.flatnonzero((stage == each) & (called == kind))[0])
               for each in np.unique(stage[called == kind])}
        for name, kind in kinds.items()
    }  # fmt: skip
    both = first["storage.list"].keys() & first["storage.read"].keys()
    before = sum(first["storage.list"][each] < first["storage.read"][each] for each in both)
    assert len(both) > 100 and before > 0.75 * len(both)
