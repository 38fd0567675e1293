"""From ids and names in an export back to the events and identities of the log, in every format."""

from __future__ import annotations

import json

import pytest

from scopedrift.scenarios.loader import load
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.formats import FORMATS, names_of
from scopedrift.simulator.records.json_paths import at, first_text
from scopedrift.simulator.records.writing.exporter import text_of
from scopedrift.simulator.records.writing.lookup import identifiers_among, identity_names, positions_of
from scopedrift.simulator.records.writing.naming import ExportNames

IDS = {
    "cloudtrail": ["eventID"],
    "kubernetes": ["auditID"],
    "gcp": ["insertId"],
    "ocsf": ["metadata.uid"],
    "otel": ["resourceSpans.0.scopeSpans.0.spans.0.spanId"],
    "entra": ["properties.id"],
    "azure": ["properties.eventDataId"],
    "github": ["_document_id"],
    "okta": ["uuid"],
    "falco": ["uuid"],
}
CALLERS = {
    "cloudtrail": ["userIdentity.sessionContext.sessionIssuer.arn", "userIdentity.principalId"],
    "kubernetes": ["user.username"],
    "gcp": ["protoPayload.authenticationInfo.principalEmail"],
    "ocsf": ["actor.user.uid"],
    "github": ["actor"],
    "okta": ["actor.id"],
    "azure": ["identity.claims.appid"],
}

SCENARIO = {
    "extends": "tiny",
    "name": "named",
    "horizon": "30h",
    "windows": {"baseline": "12h", "calibration": "6h"},
    "workloads": {"agents": {}, "runners": {}},
    "incidents": [],
}


@pytest.fixture(scope="module")
def log():
    return simulate(load(SCENARIO), 3).log


@pytest.fixture(scope="module")
def records(log):
    """By format: the position, the identity and the record of some events that it carries."""
    found = {}
    for format in names_of(written=True):
        made, mine = text_of(FORMATS[format].writer(ExportNames.of(log))), []
        for position, event in enumerate(log.batch(0, 20_000)):
            if event.stream in FORMATS[format].streams and (text := made(event, position)) is not None:
                mine.append((position, event.identity, json.loads(text)))
        found[format] = mine
    return found


@pytest.mark.parametrize("format", names_of(written=True))
def test_the_id_of_a_record_leads_to_its_event(log, records, format):
    some = records[format][:: max(1, len(records[format]) // 200)]
    assert some, f"no event of this world is one of {format}"
    said = {position: first_text(record, IDS[format]) for position, _, record in some}
    wanted = {position: identifiers_among([text or ""]) for position, text in said.items()}
    assert all(len(ids) == 1 for ids in wanted.values())
    known = positions_of(log, {text for ids in wanted.values() for text in ids})
    assert {position: {known[text] for text in ids} for position, ids in wanted.items()} == {p: {p} for p in wanted}


def test_ids_of_other_logs_lead_nowhere(log):
    assert positions_of(log, {"00000000-0000-4000-8000-000000000000", "0" * 14, "0" * 16, "x" * 22, "short"}) == {}


@pytest.mark.parametrize("format", CALLERS)
def test_the_name_of_a_caller_leads_to_one_identity_and_never_to_another(log, records, format):
    names = identity_names(log)
    known = [
        (names.get(str(text).casefold()), log.vocabulary["identity"].find(identity))
        for _, identity, record in records[format]
        if identity and (text := next((at(record, path) for path in CALLERS[format] if at(record, path)), None))
    ]
    found = [(code, identity) for code, identity in known if code is not None]
    assert all(code == identity for code, identity in found)
    assert len(found) > 0.9 * len(known) > 0
