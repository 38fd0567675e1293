"""Okta's System Log: tokens of machines, sign-ins of people, and changes of the organisation."""

import json

import pytest

from scopedrift.simulator.records.reading.importer import import_log

GRANT = {
    "uuid": "u-1",
    "published": "2026-01-05T10:00:00.123Z",
    "eventType": "app.oauth2.as.token.grant.access_token",
    "actor": {"id": "0oa1", "type": "PublicClientApp", "alternateId": "0oa1", "displayName": "trainer"},
    "client": {"ipAddress": "203.0.113.9"},
    "outcome": {"result": "SUCCESS", "reason": None},
    "authenticationContext": {"externalSessionId": "unknown"},
    "debugContext": {"debugData": {"grantType": "client_credentials"}},
    "transaction": {"id": "r", "detail": {}},
    "target": [
        {"id": "AT.1", "type": "access_token", "alternateId": None, "displayName": "Access Token"},
        {"id": "aus1", "type": "AuthorizationServer", "alternateId": "models", "displayName": "models"},
    ],
}
PERSON = {"id": "00u1", "type": "User", "alternateId": "ann@example.org", "displayName": "Ann"}
KEY = {"transaction": {"id": "r", "detail": {"requestApiTokenId": "00T1"}}}


def failed(reason, **changed):
    return {"outcome": {"result": "FAILURE", "reason": reason}, **changed}


@pytest.fixture
def read(tmp_path):
    def reads(*records):
        (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
        imported = import_log(tmp_path / "log.jsonl")
        assert set(imported.report.formats) == {"okta"}
        frame = imported.log.frame()
        return frame.astype(object).where(frame.notna(), None).to_dict("records")

    return reads


def test_a_token_that_a_machine_gets(read):
    (found,) = read(GRANT)
    expected = {
        "identity": "0oa1", "workload": "trainer", "service": "okta", "operation": GRANT["eventType"], "access": "auth",
        "resource": "models", "source": "203.0.113.9", "outcome": "success", "stream": "issuance",
        "credential_kind": "session", "on_behalf_of": None,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert str(found["time"]) == "2026-01-05 10:00:00.123000+00:00"


@pytest.mark.parametrize(
    ("changed", "column", "expected"),
    [
        ({"target": [*GRANT["target"], PERSON]}, "on_behalf_of", "ann@example.org"),
        (KEY, "credential_kind", "static-key"),
        ({"actor": PERSON, "eventType": "user.session.start"}, "identity", "ann@example.org"),
        ({"actor": PERSON, "eventType": "user.session.start"}, "workload", None),
        ({"actor": PERSON, "eventType": "user.lifecycle.create", **KEY}, "access", "admin"),
        ({"actor": PERSON, "eventType": "user.lifecycle.create", **KEY}, "stream", "cloud_audit"),
        (
            {"actor": {"id": "s", "type": "SystemPrincipal", "alternateId": "system@okta.com"}},
            "identity",
            "system@okta.com",
        ),
        (failed("INVALID_CREDENTIALS"), "outcome", "denied"),
        (failed("no_matching_scope"), "outcome", "denied"),
        (failed("server_error"), "outcome", "error"),
        (failed(None, actor=PERSON, eventType="user.session.start"), "outcome", "denied"),
        ({"outcome": {"result": "DENY"}}, "outcome", "denied"),
        ({"outcome": {"result": "ALLOW"}}, "outcome", "success"),
        ({"outcome": {"result": "CHALLENGE"}}, "outcome", None),
    ],
)
def test_what_an_event_says(read, changed, column, expected):
    (found,) = read({**GRANT, **changed})
    assert found[column] == expected


def test_an_api_token_is_the_same_in_all_its_events(read):
    one, again, other = read(*({**GRANT, **KEY, "uuid": str(i)} for i in range(2)), {**GRANT, "uuid": "3"})
    assert one["credential"] == again["credential"] != other["credential"]
