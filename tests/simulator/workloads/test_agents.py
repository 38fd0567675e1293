"""Agents: declared intents, turns of model, tool and effect, delegation, sub-agents, approvals, detours."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.simulator.expansion.numbers import CHANGE_TASKS
from scopedrift.simulator.workloads.agents import MOST_SESSIONS, PARTS, part_number

FEW = {"agents": 6, "sessions_per_day": 10.0}
QUIET = {"novelty": 0.0, "errors": 0.0}


def test_sessions_act_on_behalf_of_people_and_parts_on_behalf_of_agents(events):
    log = events(agents={**FEW, "delegated": 0.7, "sub_agents": 0.2})
    sessions = log[log.task.notna()].groupby("task").on_behalf_of.agg(lambda who: who.iloc[0])
    people = sessions.str.startswith("user/", na=False)
    agents = sessions.str.startswith("spiffe://", na=False)
    assert people.sum() / (people.sum() + sessions.isna().sum()) == pytest.approx(0.7, abs=0.1)
    assert agents.any()
    assert set(sessions[agents]) <= set(log.identity)
    assert log.groupby("task").on_behalf_of.nunique().max() == 1


def test_without_detours_a_session_uses_the_tools_of_its_intent_only(tiny):
    world = tiny(QUIET, agents=FEW)
    log = world.log.frame()
    for kind, used in log.groupby("task_kind").operation.unique().items():
        assert set(used) <= world.deployment.task_tools[kind]


def test_detours_use_other_tools_and_some_are_approved_before(tiny):
    world = tiny({"errors": 0.0}, agents={**FEW, "detours": 0.6, "approvals": 0.5})
    log = world.log.frame().sort_values("time")
    tools = world.deployment.task_tools
    named = log[log.operation.str.startswith("execute_tool")]
    outside = named[
        [operation not in tools[kind] for operation, kind in zip(named.operation, named.task_kind, strict=True)]
    ]
    wandering = set(outside.task)
    assert 0.1 < len(wandering) / log.task.nunique() < 0.7
    first = outside.groupby("task").time.min()
    asked = log[log.operation == "request_approval"].groupby("task").time.min()
    approved = [task for task in wandering if task in asked.index and asked[task] < first[task]]
    assert 0.2 < len(approved) / len(wandering) < 0.9


def test_a_turn_is_model_then_tool_then_effect(events):
    log = events(QUIET, agents=FEW)
    code = log[(log.task_kind == "code") & log.operation.isin(["execute_tool shell", "Execute"])]
    shells = code[code.operation == "execute_tool shell"].groupby("task").size()
    effects = code[code.operation == "Execute"].groupby("task").size().reindex(shells.index, fill_value=0)
    assert 0.6 < effects.sum() / shells.sum() < 1.0
    chats = (log.operation == "chat").sum()
    tools = log.operation.str.startswith("execute_tool").sum()
    assert 0.8 < tools / chats < 1.7


def test_tools_follow_themselves_more_often_than_their_share_says(events):
    log = events(QUIET, agents={**FEW, "agents": 10})
    turns = log[log.operation.str.startswith("execute_tool") & (log.task_kind == "analysis")]
    turns = turns[~turns.operation.str.contains("edit")]  # an edit is two calls in one turn
    same, pairs = 0, 0
    for _, tools in turns.groupby("task").operation:
        codes = tools.to_numpy()
        same += int(np.sum(codes[1:] == codes[:-1]))
        pairs += len(codes) - 1
    shares = turns.operation.value_counts(normalize=True)
    assert pairs > 500
    assert same / pairs > (shares**2).sum() + 0.1


def test_deployments_wait_for_an_approval(events):
    log = events(QUIET, agents={**FEW, "agents": 14, "detours": 0.0})
    deployed = log[log.operation == "execute_tool deploy"].groupby("task").time.min()
    asked = log[log.operation == "request_approval"].groupby("task").time.min()
    assert len(deployed) > 3
    assert (asked.reindex(deployed.index) < deployed).all()


def test_the_number_of_sandboxes_limits_sessions_at_once(events):
    few = {**FEW, "sandboxes": 2, "sub_agents": 0.0}
    waiting = events(QUIET, agents=few)
    free = events({**QUIET, "platform": {"contention": False}}, agents=few)

    def starts(log):
        return log[log.operation == "plan"].groupby(log.task.astype(str)).time.min()

    both = starts(waiting).index.intersection(starts(free).index)
    assert len(both) > 10
    assert (starts(waiting)[both] >= starts(free)[both]).all()
    assert (starts(waiting)[both] > starts(free)[both]).any()


def test_calls_per_session_follow_the_published_quantiles(events):
    log = events({**QUIET, "horizon": "8d"}, agents={"agents": 12, "sub_agents": 0.0, "sessions_per_day": 12.0})
    calls = log[log.operation == "chat"].groupby("task").size()
    assert 12 < calls.median() < 50
    assert 90 < calls.quantile(0.9) < 320


def test_parts_have_numbers_of_their_own_in_the_largest_world():
    agents, sessions, turns = (0, 1, 7_168, 99_999), (0, 1, 1_024, MOST_SESSIONS - 1), (0, 1, 1_023, 1_024, 1_500)
    numbers = [part_number(a, s, t) for a in agents for s in sessions for t in turns]
    assert len(set(numbers)) == len(numbers)
    assert MOST_SESSIONS < PARTS.first <= min(numbers) and max(numbers) < PARTS.end <= CHANGE_TASKS.first
    with pytest.raises(ValueError, match="parts that other agents handed over"):
        part_number(1 << 30, 0, 0)
