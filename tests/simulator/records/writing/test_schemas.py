"""Records hold to the schemas of their platforms, for every operation, outcome and kind of credential."""

import itertools
import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from py_ocsf_models.objects.cloud import Cloud
from py_ocsf_models.objects.image import Image
from py_ocsf_models.objects.metadata import Metadata
from py_ocsf_models.objects.resource_details import ResourceDetails

from scopedrift.scenarios import catalogue
from scopedrift.simulator.expansion.activities import Operations
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.writing.naming import ExportNames

SCHEMAS = Path(__file__).parent / "schemas"
DATA = Path(__file__).parents[1] / "reading" / "data"
RESOURCES = ("s3://bucket/key", "arn:aws:iam::123456789012:role/a-workloads", "vision/jobs/b", None)
VARIED = tuple(
    {"outcome": outcome, "credential_kind": kind, "source": source, "on_behalf_of": behalf}
    for outcome, kind, (source, behalf) in itertools.product(
        ("success", "denied", "error"),
        ("oauth", "static-key"),
        (("10.0.0.1", None), ("198.51.100.7", "spiffe://acme.example/ns/a/sa/b"), (None, None)),
    )
)


def validator(format: str) -> Draft202012Validator:
    return Draft202012Validator(yaml.safe_load((SCHEMAS / f"{format}.yaml").read_text()))


@pytest.fixture(scope="module")
def written(log_of):
    """Every record that a format has of the catalogue's operations."""
    rows = [
        {
            "stream": each.stream,
            "service": each.service,
            "operation": each.operation,
            "access": each.access,
            "resource": RESOURCES[number % len(RESOURCES)],
            **({"image": "ghcr.io/a/b:1"} if each.image else {}),
            **varied,
        }
        for number, (each, varied) in enumerate(itertools.product(Operations(catalogue.operations()).all, VARIED))
    ]
    log = log_of(*rows)

    def made(format):
        writing = FORMATS[format].writer(ExportNames.of(log))
        events = enumerate(log.batch(0, len(log)))
        records = (writing.record(e, n) for n, e in events if e.stream in FORMATS[format].streams)
        return [json.loads(json.dumps(record)) for record in records if record is not None]

    return made


@pytest.mark.parametrize("format", ["cloudtrail", "gcp", "kubernetes"])
def test_every_record_holds_to_the_schema_of_its_platform(written, format):
    schema = validator(format)
    problems = {}
    for record in written(format):
        for error in schema.iter_errors(record):
            problems.setdefault(f"{error.json_path}: {error.message[:200]}", record)
    assert not problems, "\n".join(list(problems)[:10])


@pytest.mark.parametrize("file", ["invictus.json", "stratus.json"])
def test_the_schema_of_cloudtrail_holds_for_real_records(file):
    schema = validator("cloudtrail")
    for _, _, raw in import_log(DATA / file).records():
        problems = [f"{error.json_path}: {error.message[:200]}" for error in schema.iter_errors(json.loads(raw))]
        assert not problems


def test_calls_in_ocsf_hold_to_its_class_api_activity(written):
    schema = validator("ocsf")
    calls = [record for record in written("ocsf") if record["class_uid"] == 6003]
    problems = {f"{e.json_path}: {e.message[:200]}" for record in calls for e in schema.iter_errors(record)}
    assert calls and not problems, "\n".join(sorted(problems)[:10])
    wrong = [record for record in calls if record["type_uid"] != 600300 + record["activity_id"]]
    assert not wrong, "the type is the class and the activity"
    used = {"cloud", "container"}
    assert all(set(record["metadata"]["profiles"]) == used & record.keys() for record in calls)


def test_objects_of_ocsf_are_those_of_its_published_models(written):
    records = written("ocsf")
    assert {6003} < {record["class_uid"] for record in records}
    for record in records:
        Metadata.model_validate(record["metadata"])
        if "cloud" in record:
            Cloud.model_validate(record["cloud"])
        if "container" in record:
            Image.model_validate(record["container"]["image"])
        if record["class_uid"] == 6003:  # its API must tell the version of a service, which the schema need not
            for resource in record.get("resources", []):
                ResourceDetails.model_validate(resource)
