"""Stories that hold in a real log: what is refused is refused, and what cannot be told in this log is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import SECOND, Vocabulary
from scopedrift.simulator.own_logs.inject import Told, inject
from scopedrift.simulator.own_logs.merge import renumbered
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log

DATA = Path(__file__).parents[1] / "records" / "reading" / "data"
CASE = [
    IncidentSpec(attack="token-theft", count=4),
    IncidentSpec(attack="eight-minute-intrusion", count=4),
    IncidentSpec(attack="llmjacking", count=4, strength=0.0),
    IncidentSpec(attack="amazon-q"),
    IncidentSpec(drift="eager-retry", count=4),
]


ADMINISTRATION = (
    "iam CreateUser",
    "iam CreateAccessKey",
    "iam AttachUserPolicy",
    "lambda UpdateFunctionCode20150331v2",
)


@pytest.fixture(scope="module")
def trail() -> EventLog:
    """The excerpt; before it, the user that it is of creates users and changes functions, each time another one."""
    log = import_log(DATA / "invictus.json").log
    columns, texts = dict(log.batch(0, len(log)).columns), log.vocabulary.texts()
    model = int(np.flatnonzero(log.frame()["operation"] == "CreateAccessKey")[0])
    calls = [call.split() for call in ADMINISTRATION for _ in range(3)]
    columns = {name: np.concatenate([np.repeat(values[model], len(calls)), values]) for name, values in columns.items()}
    for name in ("time", "arrived"):
        columns[name][: len(calls)] = columns[name][len(calls) :].min() - np.arange(len(calls), 0, -1) * SECOND
    resources = [f"{'user' if service == 'iam' else 'function'}-{at}" for at, (service, _) in enumerate(calls)]
    for name, wanted in (
        ("service", [service for service, _ in calls]),
        ("operation", [operation for _, operation in calls]),
        ("resource", resources),
    ):
        texts[name] = list(dict.fromkeys([*texts[name], *wanted]))
        columns[name][: len(calls)] = [texts[name].index(text) for text in wanted]
    for name in texts:
        columns[name], texts[name] = renumbered(columns[name], texts[name])
    return EventLog.from_columns(columns, Vocabulary(texts))


def told(log: EventLog, specs: list[IncidentSpec], seed: int = 0) -> tuple[pd.DataFrame, Told]:
    """The injected events, each with its incident, and how the injection went."""
    world, what = inject(RealWorld.of("x", log), specs, seed=seed)
    events = world.log.frame().iloc[world.truth.event]
    return events.assign(incident=[world.truth.incidents[at].id for at in world.truth.incident]), what


@pytest.fixture(scope="module")
def case(trail: EventLog) -> tuple[pd.DataFrame, Told]:
    return told(trail, CASE)


def of(events: pd.DataFrame, template: str) -> pd.DataFrame:
    return events[events["incident"].str.startswith(template)]


def test_one_attack_that_does_not_apply_is_left_out_and_told(case: tuple[pd.DataFrame, Told]) -> None:
    events, what = case
    assert [reason.partition(":")[0] for reason in what.left_out] == ["amazon-q"]
    assert of(events, "amazon-q").empty and not of(events, "token-theft").empty


def test_where_nothing_applies_the_command_says_why(trail: EventLog) -> None:
    with pytest.raises(LogError, match="amazon-q: this log would record none of it"):
        told(trail, [IncidentSpec(attack="amazon-q")])


def test_what_repeats_refusals_is_refused(case: tuple[pd.DataFrame, Told]) -> None:
    retries = of(case[0], "eager-retry")
    assert len(retries) > 10 and set(retries["outcome"]) == {"denied"}


def test_no_user_assumes_a_service_linked_role(trail: EventLog, case: tuple[pd.DataFrame, Told]) -> None:
    before = trail.frame()
    linked = before["resource"].str.contains("aws-service-role/", na=False)
    assert linked.any(), "or the log could not show the fault"
    assert not case[0]["resource"].str.contains("aws-service-role/", na=False).any()


def test_one_user_is_created_gets_a_key_and_a_policy(case: tuple[pd.DataFrame, Told]) -> None:
    steps = of(case[0], "eight-minute-intrusion")
    steps = steps[steps["operation"].isin(["CreateUser", "CreateAccessKey", "AttachUserPolicy"])]
    assert steps.groupby("incident")["operation"].nunique().max() == 3
    assert (steps.groupby("incident")["resource"].nunique() == 1).all()


def test_no_call_is_replaced_by_another(case: tuple[pd.DataFrame, Told]) -> None:
    events, what = case
    alike = {call.form.operation: call.shown.split()[1] for call in what.calls if call.how == "like"}
    assert alike == {"UpdateFunctionCode": "UpdateFunctionCode20150331v2"}, "versions of one operation"
    wanted = {call.form.operation for call in what.calls} | set(alike.values())
    assert set(events["operation"]) <= wanted


def test_a_stolen_key_may_be_used_from_an_address_of_others(trail: EventLog, case: tuple[pd.DataFrame, Told]) -> None:
    before, thefts = trail.frame(), of(case[0], "llmjacking")
    for victim, made in thefts.groupby("identity", observed=True):
        own = set(before["source"][before["identity"] == victim])
        if foreign := set(made["source"]) - own:
            assert foreign <= set(before["source"]) and not any(name.endswith(".amazonaws.com") for name in foreign)
            return
    pytest.fail("four thefts without stealth, and none from elsewhere")


def test_a_log_of_other_words_gets_incidents_in_its_own_words(trail: EventLog) -> None:
    """As read by a mapping: services and operations have names that the catalogue does not know."""
    batch = trail.batch(0, len(trail))
    texts = trail.vocabulary.texts()
    texts["service"] = [f"platform-{at}" for at in range(len(texts["service"]))]
    texts["operation"] = [f"act {text.lower()}" for text in texts["operation"]]
    log = EventLog.from_columns(dict(batch.columns), Vocabulary(texts))
    events, what = told(log, CASE[:2])
    known = log.frame()[["service", "operation"]].drop_duplicates()
    found = events[["service", "operation"]].drop_duplicates().merge(known, how="left", indicator=True)
    assert what.events and (found["_merge"] == "both").all()
    assert np.isin(events["identity"].dropna().unique(), log.frame()["identity"].dropna().unique()).all()
