"""Sigma rules over the records that events would have been: they fire, stay silent, or are blind."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sigma")

from scopedrift.detectors import Knowledge, loading
from scopedrift.detectors.adapters.sigma.detector import Sigma, carried
from scopedrift.detectors.adapters.sigma.fields import paths
from scopedrift.detectors.adapters.sigma.judge import Judge, blind
from scopedrift.detectors.adapters.sigma.rules import CompiledRule
from scopedrift.detectors.adapters.sigma.ruleset import load_rules
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.scenarios.loader import load
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.writing.exporter import export_log

HEAD = "title: {title}\nlevel: {level}\nlogsource: {source}\ndetection:\n"
TRAIL, CLUSTER, CLOUD = (
    "{product: aws, service: cloudtrail}",
    "{product: kubernetes, service: audit}",
    "{product: gcp, service: gcp.audit}",
)
BUCKETS = """
  selection: {eventSource: s3.amazonaws.com, eventName: ListBuckets}
  filter: {userIdentity.type: AssumedRole, userIdentity.sessionContext.sessionIssuer.userName: auditor}
  condition: selection and not filter
"""
LOGGING = """
  selection: {eventSource: cloudtrail.amazonaws.com, eventName: [StopLogging, DeleteTrail]}
  condition: selection
"""
CORRELATION = """
title: c
correlation: {type: event_count, rules: [x], group-by: [a], timespan: 1h, condition: {gte: 3}}
"""
PRIVILEGED = """
  selection: {verb: create, requestObject.spec.template.spec.containers.securityContext.privileged: true}
  condition: selection
"""
PRIVILEGED_POD = """
  selection: {verb: create, objectRef.resource: pods, requestObject.spec.containers.securityContext.privileged: true}
  condition: selection
"""


def rule(folder: Path, name: str, detection: str, source: str = TRAIL, level: str = "high") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(HEAD.format(title=name, level=level, source=source) + detection)
    return path


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){12}b", "*a*a*a*a*a*a*a*a*b"])
def test_no_pattern_takes_for_ever(tmp_path, pattern):
    field = "eventName" if pattern.startswith("*") else "eventName|re"
    assert not matches(tmp_path, f"  s: {{{field}: '{pattern}'}}\n  condition: s\n", {"eventName": "a" * 5000 + "!"})


def test_a_pattern_that_needs_backtracking_costs_its_rule_alone(tmp_path):
    rule(tmp_path, "good", LOGGING)
    rule(tmp_path, "look-ahead", "  s: {eventName|re: '(?=Get)G.*'}\n  condition: s\n")
    loaded = load_rules(tmp_path)
    assert [each.title for each in loaded.rules] == ["good"]
    assert [(each.title, "invalid perl operator" in each.reason) for each in loaded.rejected] == [("look-ahead", True)]


def matches(folder, detection: str, record, source: str = TRAIL) -> bool:
    return load_rules(rule(folder, "one", detection, source)).rules[0].matches(record)


RECORD = {
    "eventName": "RunInstances",
    "errorCode": None,
    "count": 12,
    "sourceIPAddress": "10.1.2.3",
    "readOnly": False,
    "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:iam::1:role/A*b"},
    "items": [{"image": "docker.io/x"}, {"image": "ghcr.io/y"}],
    "labels": {"a.b/c": "dotted"},
    "twin": "ARN:aws:iam::1:role/A*b",
    "begin": "run",
    "images": ["ghcr.io/z", "ghcr.io/y"],
    "at": "2025-03-04T10:59:00Z",
}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("{eventName: runinstances}", True),
        ("{eventName|cased: runinstances}", False),
        ("{eventName: 'Run*'}", True),
        ("{eventName: 'Run?nstances'}", True),
        ("{eventName: Run}", False),
        ("{eventName|startswith: Run}", True),
        ("{eventName|endswith: Instances}", True),
        ("{eventName|contains: INST}", True),
        ("{eventName|contains|all: [Run, Inst]}", True),
        ("{eventName|contains|all: [Run, Stop]}", False),
        ("{eventName: [Other, RunInstances]}", True),
        ("{eventName|re: '^Run.*s$'}", True),
        ("{eventName|re: '^run'}", False),
        ("{eventName|re|i: '^run'}", True),
        ("{userIdentity.arn|contains: 'A\\*b'}", True),
        ("{sourceIPAddress|cidr: 10.0.0.0/8}", True),
        ("{sourceIPAddress|cidr: 192.168.0.0/16}", False),
        ("{eventName|cidr: 10.0.0.0/8}", False),
        ("{count: 12}", True),
        ("{count|gte: 12}", True),
        ("{count|lt: 12}", False),
        ("{eventName|gt: 3}", False),
        ("{readOnly: false}", True),
        ("{errorCode: null}", True),
        ("{eventName: null}", False),
        ("{nothing: null}", True),
        ("{nothing|exists: false}", True),
        ("{eventName|exists: true}", True),
        ("{nothing: x}", False),
        ("{items.image|startswith: ghcr.io}", True),
        ("{labels.a.b/c: dotted}", True),
        ("{userIdentity.arn|fieldref: twin}", True),
        ("{userIdentity.arn|fieldref: eventName}", False),
        ("{eventName|fieldref|startswith: begin}", True),
        ("{eventName|fieldref|endswith: begin}", False),
        ("{items.image|fieldref: images}", True),
        ("{nothing|fieldref: errorCode}", False),
        ("{at|hour: 10}", True),
        ("{at|hour: 11}", False),
        ("{at|month: 3}", True),
        ("{eventName|hour: 10}", False),
        ("['*docker.io*', 'nowhere']", True),
        ("['role/A']", True),
        ("[AssumedUser]", False),
    ],
)
def test_values_and_modifiers(tmp_path, selection, expected):
    assert matches(tmp_path, f"  selection: {selection}\n  condition: selection\n", RECORD) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("a and b", False), ("a or b", True), ("a and not b", True), ("1 of them", True), ("all of them", False),
     ("not 1 of b*", True), ("(a or b) and not (a and b)", True)],
)  # fmt: skip
def test_conditions(tmp_path, condition, expected):
    detection = f"  a: {{eventName: RunInstances}}\n  b: {{eventName: Other}}\n  condition: {condition}\n"
    assert matches(tmp_path, detection, RECORD) is expected


def test_short_names_of_rules_are_fields_of_records(tmp_path):
    entry = {"protoPayload": {"methodName": "storage.buckets.delete", "serviceName": "storage.googleapis.com"}}
    for name in ("gcp.audit.method_name", "data.protoPayload.methodName"):
        detection = f"  s: {{{name}: storage.buckets.delete}}\n  condition: s\n"
        assert matches(tmp_path, detection, entry, CLOUD)
    detection = "  s: {verb: create, resource: pods, subresource: exec}\n  condition: s\n"
    assert matches(
        tmp_path, detection, {"verb": "create", "objectRef": {"resource": "pods", "subresource": "exec"}}, CLUSTER
    )


def test_a_rule_that_can_never_fire_is_blind_and_says_to_what(tmp_path):
    blinded = {
        "mfa": "  s: {additionalEventData.MFAUsed: 'No'}\n  condition: s\n",
        "both": "  s: {eventName: x}\n  t: {neverThere: y}\n  condition: s and t\n",
        "linked": "  s: {eventName: x, neverThere|contains: y}\n  condition: s\n",
    }
    seeing = {
        "either": "  s: {eventName: x}\n  t: {neverThere: y}\n  condition: s or t\n",
        "unless": "  s: {eventName: x}\n  t: {neverThere: y}\n  condition: s and not t\n",
        "absent": "  s: {eventName: x, neverThere: null}\n  condition: s\n",
        "keyword": "  s: [anything]\n  condition: s\n",
    }
    for name, detection in {**blinded, **seeing}.items():
        rule(tmp_path, name, detection)
    rule(tmp_path, "other", "  s: {EventID: 4688}\n  condition: s\n", "{product: windows, service: security}")
    rule(tmp_path, "hidden", "  s: {capabilities: '*'}\n  condition: s\n", CLUSTER)
    have = {format: carried(format) for format in ("cloudtrail", "kubernetes")}
    reasons = {rule.file.stem: reason for rule, reason in blind(load_rules(tmp_path), have).items()}
    assert set(reasons) == {*blinded, "other", "hidden"}
    assert reasons["mfa"] == "cloudtrail records do not carry additionalEventData.MFAUsed"
    assert "neverThere" in reasons["both"] and "eventName" not in reasons["both"]
    assert "windows/security" in reasons["other"]
    assert not blind(load_rules(tmp_path / "mfa.yml"), {"cloudtrail": ["additionalEventData.MFAUsed"]})


def test_what_an_export_carries_is_what_its_records_have():
    assert {"requestParameters.roleArn", "userIdentity.userName", "errorCode", "resources.ARN"} <= carried("cloudtrail")
    assert "requestObject.spec.template.spec.containers.image" in carried("kubernetes")
    assert not any("169.254" in name for name in carried("cloudtrail"))


def test_files_that_are_no_rules_are_told_and_cost_only_themselves(tmp_path):
    rule(tmp_path, "good", LOGGING)
    (tmp_path / "broken.yml").write_text("title: [")
    (tmp_path / "no-condition.yml").write_text(HEAD.format(title="x", level="low", source=TRAIL) + "  s: {a: b}\n")
    (tmp_path / "object.yml").write_text("!!python/object/apply:os.system ['true']")
    base = HEAD.format(title="base", level="low", source=TRAIL).replace("title", "name: x\ntitle", 1)
    (tmp_path / "correlation.yml").write_text(f"{base}  s: {{a: b}}\n  condition: s\n---{CORRELATION}")
    (tmp_path / "README.md").write_text("no rule")
    loaded = load_rules(tmp_path)
    assert [found.title for found in loaded.rules] == ["base", "good"]
    assert [found.title for found in loaded.correlations] == ["c"]
    assert {each.file.stem for each in loaded.rejected} == {"broken", "no-condition", "object"}
    with pytest.raises(ValueError, match=r"no Sigma rules.*broken\.yml"):
        load_rules(tmp_path / "broken.yml")
    with pytest.raises(ValueError, match="no Sigma rule"):
        load_rules(tmp_path / "README.md")


SOURCES = {
    "{product: azure, service: activitylogs}": (
        "{operationName|startswith: Microsoft.Compute/virtualMachines}",
        {"service": "ec2", "operation": "RunInstances", "access": "create"},
    ),
    "{product: azure, service: auditlogs}": (
        "{properties.message: Add service principal credentials}",
        {"service": "iam", "operation": "CreateAccessKey", "access": "admin"},
    ),
    "{product: azure, service: signinlogs}": (
        "{properties.servicePrincipalName: '*', resultType: 700213}",
        {"stream": "issuance", "service": "oauth", "operation": "ExchangeToken", "access": "auth", "outcome": "denied"},
    ),
    "{product: github, service: audit}": (
        "{action: git.push}",
        {"stream": "runtime", "service": "git", "operation": "UpdateTag", "access": "write"},
    ),
    "{product: okta, service: okta}": (
        "{eventType|endswith: access_token, actor.type: PublicClientApp}",
        {"stream": "issuance", "service": "oauth", "operation": "ExchangeToken", "access": "auth"},
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_rules_of_other_platforms_judge_what_their_logs_would_hold(tmp_path, build, source):
    selection, row = SOURCES[source]
    rule(tmp_path, "one", f"  s: {selection}\n  condition: s\n", source)
    plain = {"stream": "cloud_audit", "identity": "spiffe://a.example/ns/a/sa/b", "outcome": "success", "workload": "w"}
    other = {"at": 1, **plain, "service": "s3", "operation": "GetObject", "access": "read"}
    detector = Sigma(rules=str(tmp_path))
    assert scored(detector, build([other, {"at": 2, **plain, **row}])).tolist() == [0.0, 0.75]
    assert not detector.blind


SCENARIO = """
name: sigma
horizon: {horizon}
windows: {{baseline: 3d, calibration: 1d}}
organisation: {{projects: 3, tenants: 1}}
identities: {{excess_privilege: 0.98}}
novelty: 0
load: 0.5
workloads: {{{workloads}}}
incidents: [{{attack: {attack}}}]
"""


CLOUD_WORK = "serverless: {functions: 3}, runners: {tenants: 2}, training: {pipelines: 1}"
CLUSTER_WORK = "serverless: {functions: 3}, runners: {tenants: 2}"


def worlds(folder: Path, attack: str, horizon: str, operation: str, workloads: str = CLOUD_WORK):
    """The worlds in which the chain comes as far as an operation, each with its twin without the incident."""
    (folder / "scenario.yaml").write_text(SCENARIO.format(attack=attack, horizon=horizon, workloads=workloads))
    scenario = load(str(folder / "scenario.yaml"))
    for seed in range(1, 61):
        simulation = simulate(scenario, seed)
        if operation in set(simulation.log.vocabulary["operation"]):
            yield simulation, simulate(scenario, seed, without=simulation.truth.incidents[0].id)
    raise AssertionError(f"no seed in which {attack} comes to {operation}")


@pytest.fixture(scope="module")
def intrusion(tmp_path_factory):
    """A world in which an intruder lists buckets and stops the trail, and its twin without the intruder."""
    return next(worlds(tmp_path_factory.mktemp("intrusion"), "eight-minute-intrusion", "8d", "StopLogging"))


def scored(detector: Sigma, log) -> np.ndarray:
    detector.fit(log.batch(0, 0), Knowledge())
    return np.concatenate([detector.score(batch) for batch in log.batches(997)])


def test_rules_fire_on_their_techniques_and_not_on_the_twin(tmp_path, intrusion):
    (tmp_path / "rules").mkdir()
    rule(tmp_path / "rules", "bucket enumeration", BUCKETS, level="medium")
    rule(tmp_path / "rules", "logging off", LOGGING, level="critical")
    simulation, twin = intrusion
    detector = loading.load(f"sigma(rules={tmp_path / 'rules'})")
    scores = scored(detector, simulation.log)
    assert set(scores.tolist()) == {0.0, 0.5, 1.0}
    assert detector.fired["bucket enumeration"] >= 1 and detector.fired["logging off"] >= 1
    labels = simulation.truth.labels(0, len(simulation.log))
    assert (labels[scores > 0] == 3).all(), "only the attack's events"
    first = int(np.flatnonzero(scores == 1.0)[0])
    assert detector.explain(simulation.log.batch(first, first + 1), 0) == "logging off (critical)"
    assert not scored(Sigma(rules=str(tmp_path / "rules")), twin.log).any()


def test_the_same_rules_judge_exported_files_and_scores_do_not_depend_on_batches(tmp_path, intrusion):
    (tmp_path / "rules").mkdir()
    rule(tmp_path / "rules", "buckets", BUCKETS)
    simulation, _ = intrusion
    scores = scored(Sigma(rules=str(tmp_path / "rules")), simulation.log)
    whole = Sigma(rules=str(tmp_path / "rules"))
    whole.fit(simulation.log.batch(0, 0), Knowledge())
    assert (whole.score(simulation.log.batch(0, len(simulation.log))) == scores).all()
    export_log(simulation.log, "cloudtrail", tmp_path / "trail")
    imported = import_log(tmp_path / "trail")
    (own,) = load_rules(tmp_path / "rules").rules
    originals = [imported.original(i) for i in range(min(len(imported.log), 300))]
    assert set().union(*map(set, map(paths, originals))) <= carried("cloudtrail")
    found = np.flatnonzero(imported.log.frame()["operation"] == "ListBuckets").tolist()
    assert sum(own.matches(imported.original(i)) for i in found) == int((scores > 0).sum()) > 0


def test_a_copy_is_as_quick_as_the_detector(tmp_path, intrusion, monkeypatch):
    rule(tmp_path, "buckets", BUCKETS)
    (simulation, _), asked = intrusion, []
    matches = CompiledRule.matches
    monkeypatch.setattr(CompiledRule, "matches", lambda self, record: asked.append(self) or matches(self, record))
    detector = Sigma(rules=str(tmp_path))
    counts = []
    for each in (detector, copy.deepcopy(detector)):
        asked.clear()
        scored(each, simulation.log)
        counts.append(len(asked))
    assert counts == [0, 0], "the screen decides without asking whole rules"


def test_what_a_record_has_at_random_does_not_depend_on_where_batches_begin(tmp_path, intrusion):
    rule(tmp_path, "slow down", "  s: {errorCode: [SlowDown, ThrottlingException]}\n  condition: s\n")
    simulation, _ = intrusion
    detector = Sigma(rules=str(tmp_path / "slow down.yml"))
    scores = scored(detector, simulation.log)
    assert 0 < (scores > 0).sum() < (simulation.log.frame()["outcome"] == "error").sum()
    detector.fit(simulation.log.batch(0, 0), Knowledge())
    assert (detector.score(simulation.log.batch(0, len(simulation.log))) == scores).all()


def test_a_privileged_container_is_seen_at_audit_level_request(tmp_path):
    (tmp_path / "rules").mkdir()
    rule(tmp_path / "rules", "privileged", PRIVILEGED, CLUSTER)
    rule(tmp_path / "rules", "privileged pod", PRIVILEGED_POD, CLUSTER)
    for simulation, twin in worlds(tmp_path, "trivy-litellm", "80d", "create daemonsets", CLUSTER_WORK):
        detector = Sigma(rules=str(tmp_path / "rules"))
        scores = scored(detector, simulation.log)
        assert not detector.blind and detector.fired["privileged"]
        assert (simulation.truth.labels(0, len(simulation.log))[scores > 0] == 3).all()
        assert not scored(Sigma(rules=str(tmp_path / "rules")), twin.log).any()
        if detector.fired["privileged pod"]:  # the chain sometimes makes pods of its own, too
            break


def test_a_detector_without_rules_says_what_it_expects(tmp_path):
    with pytest.raises(ValueError, match="expected a file or folder of Sigma rules"):
        Sigma()
    rule(tmp_path, "buckets", BUCKETS)
    json.dumps(Sigma(rules=str(tmp_path)).parameters())


@pytest.mark.slow
def test_it_keeps_the_contract(tmp_path):
    rule(tmp_path, "buckets", BUCKETS)
    rule(tmp_path, "reads", "  selection: {eventName: [GetObject, ListObjects]}\n  condition: selection\n")
    assert_conforms(f"sigma(rules={tmp_path})")


def test_events_whose_operation_decides_are_not_written_as_records(tmp_path, intrusion, monkeypatch):
    rule(tmp_path, "buckets", BUCKETS)
    (simulation, _), judged = intrusion, []
    hits_of = Judge.hits_of
    monkeypatch.setattr(Judge, "hits_of", lambda self, kind, raw: judged.append(raw) or hits_of(self, kind, raw))
    scored(Sigma(rules=str(tmp_path)), simulation.log)
    assert judged and all(b'"ListBuckets"' in raw for raw in judged)
