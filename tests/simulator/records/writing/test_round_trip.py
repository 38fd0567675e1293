"""What an import reads of an export: exactly what was written, or one to one, as each format's module says."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.expansion.activities import Operations
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, SECOND, Vocabulary
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.writing import entra, github, okta
from scopedrift.simulator.records.writing.cloudtrail import Shapes
from scopedrift.simulator.records.writing.naming import ExportNames

WRITING = "scopedrift.simulator.records.writing"
COUNTERPARTS = {
    "gcp": load_data(WRITING, "gcp.yaml", dict[str, tuple[str, str, str]]).keys(),
    "azure": load_data(WRITING, "azure.yaml", dict[str, tuple[str, str]]).keys(),
    "entra": entra.SIGN_INS.keys() | entra.CHANGES.keys(),
    "github": github.ACTIONS.keys(),
    "okta": okta.EVENTS.keys(),
}
"""The operations that a platform has a counterpart of, where it has not one of all."""
OPERATIONS = Operations(catalogue.operations()).all

EXACT = {
    "cloudtrail": ("stream", "service", "access", "outcome", "source"),
    "kubernetes": ("stream", "time", "service", "operation", "access", "outcome", "source", "image"),
    "gcp": ("stream", "time", "arrived", "outcome", "source", "workload"),
    "ocsf": (
        "stream", "identity", "workload", "resource", "project", "source", "image", "on_behalf_of", "outcome",
        "service", "operation",
    ),
    "otel": (
        "stream", "time", "arrived", "service", "operation", "identity", "workload", "task_kind", "on_behalf_of",
        "project", "source", "image", "outcome", "resource",
    ),
    "falco": (
        "stream", "time", "service", "operation", "access", "outcome", "resource", "source", "image", "bytes",
        "workload", "identity", "project",
    ),
    "azure": ("stream", "time", "outcome", "source"),
    "entra": ("time", "outcome", "source"),
    "github": ("stream", "outcome", "source"),
    "okta": ("stream", "outcome", "source", "workload"),
}  # fmt: skip
ONE_TO_ONE = {
    "cloudtrail": ("project",),
    "kubernetes": ("identity", "credential", "workload", "task", "on_behalf_of"),
    "gcp": ("identity", "project", "task", "on_behalf_of"),
    "ocsf": ("credential", "task"),
    "otel": ("task",),
    "falco": ("task",),
    "azure": ("identity", "project", "task", "credential"),
    "entra": ("identity",),
    "github": ("identity", "credential"),
    "okta": ("identity",),
}
"""Columns of which equal values stay equal, and different ones different."""
NOT_OF_KEYS = {"kubernetes": ("credential",), "azure": ("credential",)}
"""Columns that a record of a static key does not have."""
NOT_OF_NODES = {"kubernetes": ("workload", "task")}
"""Columns that a record of a node does not have."""
BY_STREAM = {"gcp": ("identity",)}
"""Columns of which nodes and controllers have another value in the stream of their cluster."""
MADE_UP = {"azure": ("task",), "otel": ("task",)}  # a trace has an id
"""Columns that a record of an event without one has all the same."""
RESOLUTION = {"cloudtrail": SECOND, "ocsf": 1_000, "github": 1_000, "okta": 1_000}

WORD = st.sampled_from(
    ["vision", "Vision", "vision-", "a b", "a/b", "x_y", "été", "<script>", "\x1b[31m", "{name}", "s-1"]
)
IDENTITY = st.builds(
    "spiffe://acme.example/ns/{}/sa/{}".format,
    *[st.sampled_from(["a", "b", "a-b", "b-c", "c", "A", "lease-controller-1", "scheduler-1"])] * 2,
)
RESOURCE = st.sampled_from(
    [
        None, "s3://b/k", "s3://b/k/2", "s3://c/k", "arn:aws:iam::123456789012:root", "queue/x", "queue-x",
        "secret:a/x", "arn:aws:iam::123456789012:role/vision-workloads", "db.table", "other.table", "a/jobs/x",
        "namespace/a", "{}%s",
        "169.254.169.254", "what.acme.example:443", "endpoint/<img>", "x" * 300,
    ]
)  # fmt: skip


OF_CLUSTERS = re.compile("/sa/(lease-controller|scheduler)-")


def id_of(*parts) -> int:
    """An id of 63 bits: a credential is one identity's, a task is one workload's."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()) >> 1


def writable(operation, format: str) -> bool:
    """Whether the platform of a format has a counterpart of the operation."""
    name = f"{operation.service}.{operation.operation}"
    return operation.stream == "kubernetes_audit" or format not in COUNTERPARTS or name in COUNTERPARTS[format]


@st.composite
def event(draw, stream, format):
    operation = draw(st.sampled_from([o for o in OPERATIONS if o.stream == stream and writable(o, format)]))
    identity, workload = draw(IDENTITY), draw(WORD)
    image = draw(st.sampled_from([None, "ghcr.io/a/b:1", "x", "{image}"])) if operation.image else None
    kind = ("x509-svid", "jwt-svid", "oauth", "static-key")[id_of(identity) % 4]  # an identity has one kind
    return {
        "stream": operation.stream,
        "time": 1_767_571_200_000_000 + draw(st.integers(0, 3 * 86_400 * SECOND)),
        "identity": identity,
        "credential": id_of(identity, kind, draw(st.integers(0, 2))),
        "credential_kind": kind,
        "workload": workload,
        "task": id_of(identity, workload, draw(st.integers(0, 2))),
        "task_kind": draw(st.none() | WORD),
        "on_behalf_of": draw(st.none() | IDENTITY),
        "service": operation.service,
        "operation": operation.operation,
        # that a pod is privileged stands in the body, as its image does: a log without bodies has neither
        "access": "create" if operation.image and image is None and operation.access == "admin" else operation.access,
        "resource": draw(RESOURCE) or ("aud:x" if stream == "issuance" else None),
        # a node or a controller is one cluster's
        "project": str(id_of(identity)) if OF_CLUSTERS.search(identity) else draw(st.none() | WORD),
        "image": image,
        "source": draw(st.sampled_from([None, "10.0.0.1", "lambda.amazonaws.com", "<b>"])),
        "outcome": draw(st.sampled_from(["success"] if format == "github" else ["success", "denied", "error"])),
        "bytes": draw(st.none() | st.integers(0, 2**40)),
    }


def one_to_one(before: pd.Series, after: pd.Series) -> bool:
    pairs = pd.DataFrame({"before": before.astype(object).fillna("\0"), "after": after.astype(object).fillna("\0")})
    pairs = pairs.drop_duplicates()
    return len(pairs) == pairs["before"].nunique() == pairs["after"].nunique()


def holds(before: pd.DataFrame, after: pd.DataFrame, format: str) -> None:
    """That what came back is what the format can hold."""
    for column in EXACT[format]:
        expected = before[column].astype(object).where(before[column].notna(), None)
        found = after[column].astype(object).where(after[column].notna(), None)
        assert found.tolist() == expected.tolist(), column
    session = before["credential_kind"] != "static-key"
    for column in ONE_TO_ONE[format]:
        held = session if column in NOT_OF_KEYS.get(format, ()) else session | True
        if column in NOT_OF_NODES.get(format, ()):
            held &= ~before["identity"].str.contains("/sa/lease-controller-").fillna(False).astype(bool)
        held &= before[column].notna() if column in MADE_UP.get(format, ()) else True
        if column in BY_STREAM.get(format, ()):
            for stream in before["stream"].unique():
                own = held & (before["stream"] == stream)
                assert one_to_one(before[column][own], after[column][own]), (column, stream)
            continue
        assert one_to_one(before[column][held], after[column][held]), column
    if format in RESOLUTION:
        unit = f"{RESOLUTION[format]}us"
        assert after["time"].tolist() == before["time"].dt.floor(unit).tolist()


def as_cloudtrail(before: pd.DataFrame, after: pd.DataFrame) -> None:
    """What only CloudTrail renames, and how it ties keys to sessions."""
    shapes = load_data("scopedrift.simulator.records.writing", "cloudtrail.yaml", Shapes)
    named = [shapes.names.get(row.service, {}).get(row.operation, row.operation) for row in before.itertuples()]
    assert after["operation"].tolist() == named
    own = before["operation"] != "AssumeRoleWithWebIdentity"  # whoever exchanges a token has no key and no role yet
    assert one_to_one(before["identity"][own], after["identity"][own])
    held = own & (before["credential_kind"] != "static-key")
    for column in ("workload", "task", "on_behalf_of"):
        assert one_to_one(before[column][held], after[column][held]), column
    sessions = before["credential"].astype(str) + before["workload"].astype(str) + before["task"].astype(str)
    assert one_to_one(sessions[held], after["credential"][held]), "a key is one session"


@pytest.mark.parametrize("format", EXACT)
@settings(max_examples=25)
@given(data=st.data())
def test_what_a_format_can_hold_comes_back(log_of, round_trip, format, data):
    streams = {operation.stream for operation in OPERATIONS if writable(operation, format)}
    carried = [stream for stream in FORMATS[format].streams if stream in streams]
    of_format = st.sampled_from(carried).flatmap(lambda stream: event(stream, format))
    rows = data.draw(st.lists(of_format, min_size=1, max_size=8))
    before, after = round_trip(log_of(*rows), format)
    holds(before, after, format)
    if format == "cloudtrail":
        as_cloudtrail(before, after)


WORLD = """
name: techniques
horizon: 60d
windows: {{baseline: 4d, calibration: 1d}}
organisation: {{projects: 3, tenants: 2}}
identities: {{excess_privilege: {excess}, credential: {{ttl: 12h}}}}
load: 0.05
novelty: 0
workloads:
  serverless: {{functions: 3}}
  training: {{pipelines: 2}}
  runners: {{tenants: 2}}
  agents: {{}}
  evaluation: {{}}
  inference: {{}}
incidents: [{incidents}]
"""
FEW = (
    "{attack: notebook-escalation, count: 6}",
    "{drift: eager-retry, count: 6}",
    "{attack: trivy-litellm, count: 8}",
    "{attack: shadowray, count: 3}",
)
ALL = (*(f"{{attack: {name}}}" for name in catalogue.chains()), *(f"{{drift: {name}}}" for name in catalogue.drifts()))
MINER = ("{attack: container-miner, count: 6}",)
WORLDS = (*((ALL, 0.99, seed) for seed in (1, 3, 6, 10)), (FEW, 0.99, 5), (FEW, 0.6, 3), (MINER, 0.99, 5))
"""Incidents, excess privilege and seeds of worlds in which, together, every technique happens."""


@pytest.fixture(scope="module")
def incidents():
    """The events of all incidents of the catalogue, each with its technique as the kind of its task."""
    logs = []
    for names, excess, seed in WORLDS:
        simulation = simulate(load_text(WORLD.format(incidents=", ".join(names), excess=excess)), seed)
        told = simulation.truth.frame().dropna(subset="technique")
        batch = simulation.log.batch(0, len(simulation.log))
        columns = {name: batch.columns[name][told.index.to_numpy()] for name in batch.columns}
        texts = {name: list(batch.names(name)) for name in CODED}
        techniques = sorted(set(told["technique"]))
        texts["task_kind"] = techniques
        columns["task_kind"] = np.array([techniques.index(name) for name in told["technique"]], np.int32)
        logs.append(EventLog.from_columns(columns, Vocabulary(texts)))
    return logs


@pytest.mark.slow
def test_every_technique_comes_back_from_every_format_that_can_carry_it(incidents, round_trip):
    carried: dict[str, set[str]] = {}
    for log in incidents:
        for format in EXACT:
            writing = FORMATS[format].writer(ExportNames.of(log))
            events = (event for event in log.batch(0, len(log)) if event.stream in FORMATS[format].streams)
            if all(writing.record(event, 0) is None for event in events):
                continue
            before, after = round_trip(log, format)
            holds(before, after, format)
            for technique in before["task_kind"].unique():
                carried.setdefault(technique, set()).add(format)
    assert carried.keys() == catalogue.techniques().keys()
    assert all(formats & {"ocsf", "otel"} for formats in carried.values())


def test_every_operation_of_the_catalogue_comes_back_with_its_class_of_access(log_of, round_trip):
    rows = [
        {"stream": o.stream, "service": o.service, "operation": o.operation, "access": o.access}
        | ({"image": "ghcr.io/a/b:1"} if o.image else {})
        for o in OPERATIONS
        if o.stream in ("cloud_audit", "kubernetes_audit", "runtime")
    ]
    for format in ("cloudtrail", "kubernetes", "ocsf", "falco"):
        before, after = round_trip(log_of(*rows), format)
        if format == "ocsf":  # network activity has no field for it, API activity no body that makes a pod privileged
            privileged = (before["stream"] == "kubernetes_audit") & before["image"].notna()
            held = (before["stream"] != "runtime") & ~(privileged & (before["access"] == "admin"))
            before, after = before[held], after[held]
        differs = before["access"].astype(object) != after["access"].astype(object)
        wrong = before[["service", "operation", "access"]][differs]
        assert not len(wrong), f"{format}\n{wrong}"


def test_bytes_and_credentials_where_a_format_has_them(log_of, round_trip):
    log = log_of({}, {"operation": "PutObject", "access": "write", "bytes": 7}, {"credential_kind": "static-key"})
    _, after = round_trip(log, "cloudtrail")
    assert after["bytes"].tolist() == [1_000, 7, 1_000]
    assert after["credential_kind"].tolist() == ["session", "session", "static-key"]
    _, after = round_trip(log, "gcp")
    assert after["credential"].notna().tolist() == [False, False, True]
    job = {"service": "sagemaker", "operation": "CreateTrainingJob", "access": "create", "image": "ghcr.io/a/b:1"}
    assert round_trip(log_of(job), "gcp")[1]["image"].tolist() == ["ghcr.io/a/b:1"]
    assert set(after["identity"]) == {"train@vision.iam.gserviceaccount.com"}


def test_an_imported_log_can_be_written_in_another_format(log_of, round_trip):
    _, imported = round_trip(log_of({}, {"operation": "PutObject", "access": "write"}), "cloudtrail")
    rows = imported[["identity", "service", "operation", "access", "resource", "project"]].to_dict("records")
    _, after = round_trip(log_of(*rows), "ocsf")
    assert after["resource"].tolist() == ["arn:aws:s3:::acme-vision-data/cars/part-0001"] * 2
    assert after["identity"].tolist() == imported["identity"].tolist()
