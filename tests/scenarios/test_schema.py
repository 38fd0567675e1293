# ruff: noqa: E501  (a table of mistakes and answers reads best one a line)
from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scopedrift.scenarios import Scenario, ScenarioError, load_text, override
from scopedrift.scenarios.durations import LONGEST, format_duration
from scopedrift.scenarios.parts import CREDENTIALS

DAY = 86_400_000_000
HEAD = "name: mine\nhorizon: 14d\nwindows: {baseline: 7d, calibration: 3d}\n"

shares = st.floats(0, 1)
lengths = st.integers(1, LONGEST).map(format_duration)


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


training = some(
    pipelines=st.integers(0, 500),
    spread=shares,
    lifetime=st.integers(1_000_000, 2 * DAY).map(format_duration),
    scheduler=st.sampled_from(["fifo", "fair"]),
    nightly=st.booleans(),
    hours=st.lists(st.floats(0, 24), max_size=3),
    waits=st.lists(lengths, max_size=3),
)
within = st.integers(0, 14 * DAY - 1).map(format_duration)
changes = st.one_of(
    some(per_month=st.floats(0, 100), announced=shares),
    some(count=st.just(1), at=within),
).map(lambda given: {"kind": "registry-migration", **given})
incidents = st.one_of(
    st.tuples(st.just({"attack": "tj-actions"}), some(**{"with": some(pause=lengths)})),
    st.tuples(st.just({"drift": "adjacent-storage"}), some(**{"with": some(reads=st.integers(1, 99))})),
).flatmap(
    lambda parts: some(strength=shares, count=st.integers(0, 9), at=within).map(lambda g: parts[0] | parts[1] | g)
)
lifetimes = st.integers(60_000_000, LONGEST).map(format_duration)
kinds = st.one_of(
    st.sampled_from(CREDENTIALS),
    shares.map(lambda share: {"jwt-svid": share, "static-key": 1 - share}),
)
common = {"enabled": st.booleans(), "delay": lengths, "loss": shares, "duplication": shares, "skew": lengths}
common |= {"task_context": shares}
stream = some(**common)
cloud = some(**common, data_events=st.booleans())
kubernetes = some(**common, level=st.sampled_from(["Metadata", "Request", "RequestResponse"]))
scenarios = st.fixed_dictionaries(
    {
        "name": st.just("mine"),
        "horizon": st.just("14d"),
        "windows": st.just({"baseline": "7d", "calibration": "3d"}),
    },
    optional={
        "version": st.integers(1, 9),
        "description": st.text(),
        "start": st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.isoformat() + "Z"),
        "identities": some(
            count=st.integers(1, 9999) | st.none(),
            sharing=shares,
            excess_privilege=st.floats(0, 1, exclude_max=True),
            orphaned=shares,
            credential=some(kind=kinds, ttl=lifetimes | st.none()),
            downstream=some(breadth=shares, ttl=lifetimes),
        ),
        "platform": some(gpus=st.integers(1, 99), policy=st.sampled_from(["off", "log", "enforce"])),
        "novelty": st.floats(0, 1000),
        "workloads": some(training=training, inference=some(models=st.integers(1, 9)), serverless=st.just("off")),
        "changes": st.lists(changes, max_size=2),
        "incidents": st.lists(incidents, max_size=2),
        "telemetry": some(
            cloud_audit=cloud, kubernetes_audit=kubernetes, runtime=stream, issuance=stream, agent=stream
        ),
        "evaluation": some(cooldown=lengths, alert_budget=st.floats(0, 1e6).map(lambda rate: f"{rate!r}/day")),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenarios)
def test_a_scenario_survives_being_written(content: dict[str, Any]) -> None:
    scenario = Scenario.model_validate(content)
    again = load_text(scenario.to_yaml())
    assert again == scenario
    assert again.digest() == scenario.digest()
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_units_and_defaults() -> None:
    scenario = load_text(HEAD + "workloads: {training: {pipelines: 9}}\n")
    assert scenario.start == datetime(2026, 1, 5, tzinfo=UTC)
    assert scenario.start.weekday() == 0
    assert scenario.baseline_end_us - scenario.start_us == scenario.windows.baseline == 7 * DAY
    assert scenario.calibration_end_us - scenario.baseline_end_us == 3 * DAY
    assert scenario.end_us - scenario.start_us == scenario.horizon == 14 * DAY
    assert scenario.start_us == int(scenario.start.timestamp()) * 1_000_000
    assert scenario.evaluation.alert_budget == 1.0
    assert scenario.identities.downstream.ttl == scenario.evaluation.cooldown == DAY // 24
    assert scenario.workloads["training"]["lifetime"] == 300_000_000
    assert scenario.workloads["training"]["pipelines"] == 9


def test_every_stream_has_its_defaults() -> None:
    telemetry = load_text(HEAD + "telemetry: {cloud_audit: {loss: 0.1}}\n").telemetry
    assert list(telemetry) == ["cloud_audit", "kubernetes_audit", "runtime", "issuance", "agent"]
    assert (telemetry["cloud_audit"].delay, telemetry["cloud_audit"].loss) == (300_000_000, 0.1)
    assert telemetry["kubernetes_audit"].level == "Request"
    assert telemetry["runtime"].level is None


def test_kinds_of_credential_can_be_mixed() -> None:
    text = "identities: {credential: {kind: {x509-svid: 0.75, static-key: 0.25}, ttl: 30m}}"
    credential = load_text(HEAD + text).identities.credential
    assert credential.shares == credential.kind == {"x509-svid": 0.75, "static-key": 0.25}
    assert load_text(HEAD).identities.credential.shares == {"x509-svid": 1.0}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("identities.count", 20_000),
        ("identities.sharing", 1.0),
        ("identities.excess_privilege", 0.0),
        ("identities.orphaned", 0.1),
        ("identities.credential.kind", "jwt-svid"),
        ("identities.credential.kind", {"oauth": 0.5, "static-key": 0.5}),
        ("identities.credential.ttl", "5m"),
        ("identities.downstream.breadth", 0.0),
        ("identities.downstream.ttl", "10m"),
        ("platform.policy", "enforce"),
        ("platform.contention", False),
        ("organisation.projects", 40),
        ("organisation.tenants", 40),
        ("load", 0.25),
        ("telemetry.cloud_audit.data_events", False),
        ("telemetry.cloud_audit.enabled", False),
        ("telemetry.kubernetes_audit.level", "Metadata"),
        ("telemetry.runtime.delay", "10m"),
        ("telemetry.issuance.loss", 0.1),
        ("telemetry.agent.duplication", 0.1),
        ("telemetry.runtime.skew", "3s"),
        ("telemetry.agent.task_context", 0.0),
    ],
)
def test_every_knob_can_be_swept(key: str, value: Any) -> None:
    before = load_text(HEAD)
    after = override(before, {key: value})
    written: Any = after.plain()
    for part in key.split("."):
        written = written[part]
    assert written == value
    assert after.digest() != before.digest()
    assert override(after, {key: None}) == before


def test_what_the_file_sets_is_remembered() -> None:
    scenario = load_text(load_text(HEAD + "workloads: {training: {pipelines: 4}}\n").to_yaml())
    assert scenario.is_given("training", "pipelines")
    assert not scenario.is_given("training", "spread")
    assert not scenario.is_given("inference", "models")


def test_incident_and_change_parameters_are_resolved() -> None:
    scenario = load_text(
        HEAD
        + "changes: [{kind: registry-migration, per_month: 2, announced: 0.7}, {kind: registry-migration}]\n"
        + "incidents: [{attack: tj-actions, with: {pause: 1m}}, {drift: adjacent-storage}]\n"
    )
    assert [change.parameters for change in scenario.changes] == [{"lasts": 3 * DAY}] * 2
    assert [change.instances for change in scenario.changes] == [None, 1]
    assert [incident.parameters for incident in scenario.incidents] == [{"pause": 60_000_000}, {"reads": 40}]
    assert [incident.template for incident in scenario.incidents] == ["tj-actions", "adjacent-storage"]


def test_a_scenario_cannot_be_changed() -> None:
    scenario = load_text(HEAD)
    with pytest.raises(ValidationError):
        scenario.horizon = 3  # type: ignore[misc]


def test_digests_tell_scenarios_apart_and_not_their_spelling() -> None:
    base = load_text(HEAD).digest()
    assert load_text(HEAD.replace("14d", "336h")).digest() == base
    assert load_text(HEAD + "identities: {sharing: 0.2}").digest() == base
    assert load_text(HEAD + "identities: {sharing: 0.3}").digest() != base
    assert load_text(HEAD + "workloads: {training: {}}").digest() != base
    assert len(base) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("identites: {}", "4: identites: unknown key; did you mean 'identities'?"),
        ("identities: {sharng: 1}", "4: identities.sharng: unknown key; did you mean 'sharing'?"),
        ("identities:\n  credential:\n    tll: 5m", "6: identities.credential.tll: unknown key; did you mean 'ttl'?"),
        ("identities: {sharing: 2}", "4: identities.sharing: expected at most 1"),
        ("identities: {sharing: .nan}", "4: identities.sharing: expected a finite number, not nan"),
        ("identities: {sharing: '0.5'}", "4: identities.sharing: expected a number, not '0.5'"),
        ("identities: {excess_privilege: 1}", "4: identities.excess_privilege: expected less than 1"),
        ("identities: {count: 1.5}", "4: identities.count: expected a whole number, not 1.5"),
        ("identities: {count: true}", "4: identities.count: expected a whole number, not true"),
        ("identities: 3", "4: identities: expected a mapping (key: value), not 3"),
        ("identities: {credential: {ttl: 90}}", "4: identities.credential.ttl: a duration needs a unit, e.g. 90m"),
        ("identities: {credential: {ttl: '90'}}", "4: identities.credential.ttl: a duration needs a unit, e.g. 90m"),
        ("identities: {credential: {ttl: 0s}}", "4: identities.credential.ttl: expected at least 1m"),
        ("identities: {downstream: {ttl: 59s}}", "4: identities.downstream.ttl: expected at least 1m"),
        ("identities: {downstream: {bredth: 1}}", "4: identities.downstream.bredth: unknown key; did you mean 'breadth'?"),
        ("identities: {orphaned: 2}", "4: identities.orphaned: expected at most 1"),
        ("identities: {credential: {kind: jwt}}", "4: identities.credential.kind: unknown choice 'jwt'; did you mean 'jwt-svid'?"),
        ("identities: {credential: {kind: 3}}", "4: identities.credential.kind: expected a kind of credential, or a share for each kind, not 3"),
        ("identities: {credential: {kind: {}}}", "4: identities.credential.kind: expected a kind of credential, or a share for each kind"),
        ("identities:\n  credential:\n    kind:\n      jwt: 1", "7: identities.credential.kind.jwt: unknown kind of credential; did you mean 'jwt-svid'?"),
        ("identities: {credential: {kind: {oauth: 2}}}", "4: identities.credential.kind.oauth: expected a share from 0 to 1, not 2"),
        ("identities: {credential: {kind: {oauth: true}}}", "4: identities.credential.kind.oauth: expected a share from 0 to 1, not true"),
        ("identities: {credential: {kind: {oauth: .nan}}}", "4: identities.credential.kind.oauth: expected a share from 0 to 1, not nan"),
        ("identities: {credential: {kind: {oauth: 0.5, static-key: 0.4}}}", "4: identities.credential.kind: expected shares that add up to 1, not to 0.9"),
        ("platform: {policy: enforced}", "4: platform.policy: unknown choice 'enforced'; did you mean 'enforce'?"),
        ("platform: {contention: off}", "4: platform.contention: expected true or false, not 'off'"),
        ("load: 0", "4: load: expected more than 0"),
        ("start: soon", "4: start: expected a date and time, e.g. 2026-01-05T00:00:00Z, not 'soon'"),
        ("start: 1066-01-01", "4: start: expected a year from 1971 to 2200, not 1066"),
        ("organisation: {domain: 'a b'}", "4: organisation.domain: expected a trust domain, e.g. example.org, not 'a b'"),
        ("evaluation: {alert_budget: 1}", "4: evaluation.alert_budget: a rate needs a period, e.g. 1/day"),
        ("workloads: {trainng: {}}", "4: workloads.trainng: unknown workload family; did you mean 'training'?"),
        ("workloads: {trainng: off}", "4: workloads.trainng: unknown workload family; did you mean 'training'?"),
        ("workloads:\n  training:\n    piplines: 3", "6: workloads.training.piplines: unknown parameter; did you mean 'pipelines'?"),
        ("workloads:\n  training:\n    pipelines: 501", "6: workloads.training.pipelines: expected 0 to 500, not 501"),
        ("workloads:\n  training:\n    lifetime: 5", "6: workloads.training.lifetime: a duration needs a unit, e.g. 5m"),
        ("workloads:\n  training:\n", "5: workloads.training: expected a mapping of parameters, {} for the defaults, or off"),
        ("workloads: [training]", "4: workloads: expected a mapping (key: value), not a list"),
        ("changes: {kind: x}", "4: changes: expected a list, not a mapping"),
        ("changes:\n- {kind: registry-migraton}", "5: changes[0].kind: unknown kind of change 'registry-migraton'; did you mean"),
        ("changes:\n- {count: 1}", "5: changes[0].kind: this key is missing; expected: Kind of change"),
        ("changes:\n- {kind: registry-migration, anounced: 1}", "5: changes[0].anounced: unknown key; did you mean 'announced'?"),
        ("changes:\n- {kind: registry-migration, count: 1, per_month: 2}", "5: changes[0].count: expected per_month or count, not both"),
        ("changes:\n- {kind: registry-migration, count: 2, at: 1d}", "5: changes[0].at: only a single change can have a fixed time"),
        ("changes:\n- {kind: registry-migration, at: 14d}", "5: changes[0].at: expected a time within the horizon of 14d"),
        ("changes:\n- kind: registry-migration\n  with: {last: 3d}", "6: changes[0].with.last: unknown parameter; did you mean 'lasts'?"),
        ("incidents:\n- {}", "5: incidents[0]: expected exactly one of attack and drift"),
        ("incidents:\n- {attack: tj-actions, drift: adjacent-storage}", "5: incidents[0]: expected exactly one of attack and drift"),
        ("incidents:\n- {attack: tj-action}", "5: incidents[0].attack: unknown attack 'tj-action'; did you mean 'tj-actions'?"),
        ("incidents:\n- {drift: adjacent}", "5: incidents[0].drift: unknown drift 'adjacent'; did you mean 'adjacent-storage'?"),
        ("incidents:\n- {attack: tj-actions, at: 15d}", "5: incidents[0].at: expected a time within the horizon"),
        ("incidents:\n- {attack: tj-actions, victim: {famly: training}}", "5: incidents[0].victim.famly: unknown key; did you mean 'family'?"),
        ("incidents:\n- {attack: tj-actions, victim: {family: training}}", "5: incidents[0].victim.family: no workload family 'training' runs here"),
        ("telemetry: {cloud_audti: {}}", "4: telemetry.cloud_audti: unknown stream; did you mean 'cloud_audit'?"),
        ("telemetry: {cloud_audit: {dealy: 1s}}", "4: telemetry.cloud_audit.dealy: unknown key; did you mean 'delay'?"),
        ("telemetry: {cloud_audit: {level: Request}}", "4: telemetry.cloud_audit.level: only kubernetes_audit has this key"),
        ("telemetry: {agent: {data_events: true}}", "4: telemetry.agent.data_events: only cloud_audit has this key"),
        ("telemetry: {agent: 3}", "4: telemetry.agent: expected a mapping (key: value), not 3"),
        ("extend: core-week", "4: extend: unknown key; did you mean 'extends'?"),
    ],
)  # fmt: skip
def test_mistakes_are_answered_with_line_key_and_remedy(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(HEAD + text, source="my.yaml")
    assert str(caught.value).startswith(f"my.yaml:{message}")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: mine\nhorizon: 14d",
            "my.yaml:1: windows: this key is missing; expected: Baseline and calibration windows",
        ),
        (HEAD.replace("mine", "My week"), "my.yaml:1: name: expected lower-case words joined by hyphens"),
        (HEAD.replace("14d", "10d"), "my.yaml:2: horizon: expected more than 10d (baseline and calibration)"),
        (HEAD.replace("7d", "7"), "my.yaml:3: windows.baseline: a duration needs a unit, e.g. 7m"),
    ],
)
def test_the_head_is_checked_too(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, source="my.yaml")
    assert str(caught.value).startswith(message)


def test_several_mistakes_are_listed_one_a_line() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(HEAD + "load: x\nidentities: {sharng: 1}\nworkloads: {training: {spread: 3}}\n", source="f")
    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()] == [
        ["f:5", "identities.sharng"],
        ["f:4", "load"],
        ["f:6", "workloads.training.spread"],
    ]


def test_the_schema_helps_editors() -> None:
    schema = Scenario.model_json_schema()
    json.dumps(schema, allow_nan=False)
    horizon = schema["properties"]["horizon"]
    assert (horizon["type"], horizon["description"]) == ("string", "How long to simulate, windows included.")
    assert "pattern" in horizon
    assert schema["$defs"]["EvaluationSpec"]["properties"]["cooldown"]["default"] == "1h"
    assert schema["$defs"]["EvaluationSpec"]["properties"]["alert_budget"]["default"] == "1/day"
    assert "extends" in schema["properties"]
    families = schema["properties"]["workloads"]["properties"]
    assert families["training"]["anyOf"][0]["properties"]["pipelines"]["maximum"] == 500
    assert schema["$defs"]["IncidentSpec"]["properties"]["attack"]["examples"] == ["tj-actions"]
    parts = [schema, *schema["$defs"].values()]
    fields = [field for part in parts for field in part["properties"].values()]
    assert all("description" in field or "$ref" in field for field in fields)
    assert all("description" in part for part in parts)
