"""Azure Activity Log, Entra sign-ins and changes: one principal, in every form in which the logs come."""

import json

import pytest

from scopedrift.simulator.records.reading.importer import import_log

OBJECT, CLIENT, TENANT = "9d370547-cb61-4753-be23-685349000001", "b3b975ac-995b-426e-8b5d-000000000001", "4bbb79f7-0000"
LONG = "http://schemas.microsoft.com/identity/claims/"
SCOPE = "/subscriptions/s-1/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/models"
KEYS = "Microsoft.Storage/storageAccounts/listKeys/action"
ACTIVITY = {
    "time": "2026-01-05T10:00:00.1234567Z",
    "resourceId": SCOPE.upper(),
    "operationName": KEYS.upper(),
    "category": "Action",
    "resultType": "Success",
    "resultSignature": "Succeeded.OK",
    "callerIpAddress": "203.0.113.9",
    "correlationId": "c-1",
    "identity": {
        "authorization": {"scope": SCOPE, "action": KEYS, "evidence": {"principalId": OBJECT}},
        "claims": {
            "appid": CLIENT,
            f"{LONG}objectidentifier": OBJECT,
            "uti": "token-1",
            "xms_mirid": "/subscriptions/s-1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/trainer",
        },
    },
}
REST = {
    "eventTimestamp": "2026-01-05T10:00:00.1234567Z",
    "resourceId": SCOPE,
    "operationName": {"value": KEYS},
    "status": {"value": "Succeeded"},
    "subStatus": {"value": "OK"},
    "httpRequest": {"clientIpAddress": "203.0.113.9"},
    "correlationId": "c-1",
    "caller": OBJECT,
    "authorization": {"scope": SCOPE, "action": KEYS},
    "claims": ACTIVITY["identity"]["claims"],
}
ANALYTICS = {
    "TimeGenerated": "2026-01-05T10:00:00.1234567Z",
    "_ResourceId": SCOPE.lower(),
    "OperationNameValue": KEYS.upper(),
    "ActivityStatusValue": "Success",
    "ActivitySubstatusValue": "OK",
    "CallerIpAddress": "203.0.113.9",
    "CorrelationId": "c-1",
    "Caller": OBJECT,
    "Authorization": json.dumps({"scope": SCOPE, "action": KEYS}),
    "Claims": json.dumps(ACTIVITY["identity"]["claims"]),
}
SIGN_IN = {
    "time": "2026-01-05T10:00:01Z",
    "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
    "operationName": "Sign-in activity",
    "category": "ServicePrincipalSignInLogs",
    "tenantId": TENANT,
    "resultType": "0",
    "callerIpAddress": "203.0.113.9",
    "properties": {
        "id": "e-1",
        "createdDateTime": "2026-01-05T10:00:00.5+00:00",
        "appId": CLIENT,
        "ipAddress": "203.0.113.9",
        "status": {"errorCode": 0},
        "resourceDisplayName": "Azure Storage",
        "servicePrincipalName": "trainer",
        "servicePrincipalId": OBJECT,
        "federatedCredentialId": "f-1",
    },
}
GRAPH = {**SIGN_IN["properties"], "homeTenantId": TENANT}
CHANGE = {
    "time": "2026-01-05T10:00:00Z",
    "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
    "operationName": "Add service principal credentials",
    "category": "AuditLogs",
    "tenantId": TENANT,
    "callerIpAddress": "203.0.113.9",
    "identity": "trainer",
    "properties": {
        "id": "Directory_1",
        "result": "success",
        "activityDisplayName": "Add service principal credentials",
        "activityDateTime": "2026-01-05T10:00:00+00:00",
        "initiatedBy": {"app": {"appId": None, "displayName": "trainer", "servicePrincipalId": OBJECT}},
        "targetResources": [{"id": "t-1", "displayName": "billing", "type": "ServicePrincipal"}],
    },
}
COLUMNS = (
    "identity",
    "service",
    "operation",
    "access",
    "resource",
    "project",
    "source",
    "outcome",
    "stream",
    "workload",
)


@pytest.fixture
def read(tmp_path):
    def reads(format, *records):
        (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
        imported = import_log(tmp_path / "log.jsonl")
        assert set(imported.report.formats) == {format}
        frame = imported.log.frame()
        return frame.astype(object).where(frame.notna(), None).to_dict("records")

    return reads


@pytest.mark.parametrize("record", [ACTIVITY, REST, ANALYTICS], ids=["diagnostic", "rest", "analytics"])
def test_one_act_of_the_activity_log_in_every_form(read, record):
    (found,) = read("azure", record)
    told = {name: found[name] for name in COLUMNS} | {"resource": found["resource"].lower()}
    assert told == {
        "identity": f"servicePrincipals/{OBJECT}", "service": "microsoft.storage", "operation": KEYS, "access": "auth",
        "resource": SCOPE.lower(), "project": told["project"], "source": "203.0.113.9", "outcome": "success",
        "stream": "cloud_audit", "workload": "trainer",
    }  # fmt: skip
    assert told["project"].lower() == "s-1" and str(found["time"])[:26] == "2026-01-05 10:00:00.123456"


def with_claims(**claims):
    return {**ACTIVITY, "identity": {**ACTIVITY["identity"], "claims": claims}}


@pytest.mark.parametrize(
    ("record", "column", "expected"),
    [
        (with_claims(upn="ann@example.org", oid="o", appid=CLIENT), "identity", "ann@example.org"),
        (with_claims(appid=CLIENT), "identity", f"applications/{CLIENT}"),
        (with_claims(), "identity", f"servicePrincipals/{OBJECT}"),
        ({**REST, "caller": "ann@example.org", "claims": {}}, "identity", "ann@example.org"),
        ({**ACTIVITY, "resultType": "Failure", "resultSignature": "Failed.Forbidden"}, "outcome", "denied"),
        ({**REST, "status": {"value": "Failed"}, "subStatus": {"value": "AuthorizationFailed"}}, "outcome", "denied"),
        ({**ACTIVITY, "resultType": "Failure", "resultSignature": "Failed.Conflict"}, "outcome", "error"),
        ({**ACTIVITY, "resultType": "Start", "resultSignature": "Started."}, "outcome", None),
        ({**ACTIVITY, "operationName": "Microsoft.Compute/virtualMachines/write"}, "access", "write"),
        ({**ACTIVITY, "operationName": "Microsoft.Authorization/roleAssignments/write"}, "access", "admin"),
        ({**ACTIVITY, "operationName": "Microsoft.Compute/virtualMachines/runCommand/action"}, "access", "write"),
        ({**ACTIVITY, "operationName": "A.B/c/delete"}, "access", "delete"),
        (
            {**ACTIVITY, "operationName": "A.B/c/write", "resultSignature": "Succeeded.Created"},
            "access",
            "create",
        ),
    ],
)
def test_what_an_activity_log_entry_says(read, record, column, expected):
    (found,) = read("azure", record)
    assert found[column] == expected


def test_the_entries_of_one_operation_are_one_event(read):
    ended = {**ACTIVITY, "time": "2026-01-05T10:00:09Z", "resultType": "Failure", "resultSignature": "Failed.Forbidden"}
    begun = {**ACTIVITY, "resultType": "Start", "resultSignature": "Started."}
    (found,) = read("azure", begun, ended)
    assert found["outcome"] == "denied" and str(found["time"])[:19] == "2026-01-05 10:00:00"


@pytest.mark.parametrize(
    "record",
    [SIGN_IN, GRAPH, {name[:1].upper() + name[1:]: value for name, value in GRAPH.items()}],
    ids=["diagnostic", "graph", "analytics"],
)
def test_one_sign_in_in_every_form(read, record):
    (found,) = read("entra", record)
    assert {name: found[name] for name in COLUMNS} == {
        "identity": f"servicePrincipals/{OBJECT}", "service": "entra", "operation": "Sign-in activity",
        "access": "auth", "resource": "Azure Storage", "project": TENANT, "source": "203.0.113.9", "outcome": "success",
        "stream": "issuance", "workload": "trainer",
    }  # fmt: skip
    assert str(found["time"])[:23] == "2026-01-05 10:00:00.500" and found["credential_kind"] == "session"


def signed(**changed):
    return {**SIGN_IN, "properties": {**SIGN_IN["properties"], **changed}}


@pytest.mark.parametrize(
    ("record", "column", "expected"),
    [
        (signed(status={"errorCode": 7000222}), "outcome", "denied"),
        (signed(status={"errorCode": 90033}), "outcome", "error"),
        (signed(servicePrincipalCredentialKeyId="k-1"), "credential_kind", "static-key"),
        (signed(servicePrincipalId="", userPrincipalName="ann@example.org"), "identity", "ann@example.org"),
        (signed(servicePrincipalId=None), "identity", f"applications/{CLIENT}"),
        (CHANGE, "identity", f"servicePrincipals/{OBJECT}"),
        (CHANGE, "resource", "billing"),
        (CHANGE, "access", "admin"),
        (CHANGE, "stream", "cloud_audit"),
        (CHANGE, "outcome", "success"),
        ({**CHANGE, "properties": {**CHANGE["properties"], "result": "failure"}}, "outcome", "error"),
        (
            {
                **CHANGE,
                "properties": {
                    **CHANGE["properties"],
                    "initiatedBy": {"user": {"userPrincipalName": "ann@example.org"}},
                },
            },
            "identity",
            "ann@example.org",
        ),
    ],
)
def test_what_an_entry_of_entra_says(read, record, column, expected):
    (found,) = read("entra", record)
    assert found[column] == expected


def test_a_principal_is_one_identity_in_all_logs(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, [ACTIVITY, SIGN_IN, CHANGE])))
    imported = import_log(tmp_path / "log.jsonl")
    assert dict(imported.report.formats) == {"azure": 1, "entra": 2}
    assert set(imported.log.frame()["identity"]) == {f"servicePrincipals/{OBJECT}"}


def test_a_workload_that_federates_signs_in_with_its_federated_credential(read):
    one, again, other = read("entra", signed(id="1"), signed(id="2"), signed(id="3", federatedCredentialId="f-2"))
    assert one["credential"] == again["credential"] != other["credential"]
