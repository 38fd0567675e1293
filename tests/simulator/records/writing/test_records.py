"""Records look as their platform writes them: shapes of ids, required fields, error codes, no stream too many."""

import re
from pathlib import Path

import pytest

from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import OUTCOMES
from scopedrift.simulator.records.access import published
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.writing.cloudtrail import Shapes
from scopedrift.simulator.records.writing.exporter import export_log
from scopedrift.simulator.records.writing.naming import ExportNames, service_account, telling
from scopedrift.simulator.records.writing.template import fill

UNLISTED = frozenset({"sts", "bigtable", "cloudquotas"})
"""Services of Google Cloud whose discovery document has another name."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
METADATA = {
    "stream": "runtime", "service": "metadata", "operation": "GetRoleCredentials", "access": "auth",
    "resource": "169.254.169.254", "bytes": None,
}  # fmt: skip
JOB = {
    "stream": "kubernetes_audit", "service": "kubernetes", "operation": "create daemonsets", "access": "admin",
    "resource": "vision/jobs/miner", "image": "docker.io/x/miner:1", "bytes": None,
}  # fmt: skip
ISSUE = {"stream": "issuance", "service": "spire", "operation": "FetchJWTSVID", "access": "auth", "resource": "aud:x"}
AGENT = {
    "stream": "agent", "service": "agent", "operation": "execute_tool read_file", "access": "read", "resource": "s3://b/k",
}  # fmt: skip
LAUNCH = {"service": "ec2", "operation": "RunInstances", "access": "create", "resource": "i-1", "bytes": None}
CLONE = {
    "stream": "runtime", "service": "git", "operation": "Clone", "access": "read", "resource": "git:acme/vision",
    "bytes": None,
}  # fmt: skip


@pytest.fixture
def record(log_of):
    def made(format, **row):
        log = log_of(row)
        (event,) = log.batch(0, 1)
        return FORMATS[format].writer(ExportNames.of(log)).record(event, 0)

    return made


def test_cloudtrail_ids_arns_and_parameters(record):
    found = record("cloudtrail")
    who = found["userIdentity"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", who["accessKeyId"])
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:vision-train-6eb54b01740a97e2", who["principalId"])
    account = who["accountId"]
    assert re.fullmatch(r"\d{12}", account)
    assert who["arn"] == f"arn:aws:sts::{account}:assumed-role/vision-train/vision-train-6eb54b01740a97e2"
    assert who["sessionContext"]["sessionIssuer"]["arn"] == f"arn:aws:iam::{account}:role/vision-train"
    assert UUID.fullmatch(found["eventID"]) and re.fullmatch(r"[A-Z2-7]{16}", found["requestID"])
    assert found["tlsDetails"]["clientProvidedHostHeader"] == found["requestParameters"]["Host"]
    assert found["userAgent"][0] == "[" and len(found["additionalEventData"]["x-amz-id-2"]) == 64
    assert re.fullmatch(r"vpce-0[0-9a-f]{16}", found["vpcEndpointId"]), "a private address is an endpoint's"
    assert "vpcEndpointId" not in record("cloudtrail", source="198.51.100.7")
    assert (found["eventSource"], found["eventTime"]) == ("s3.amazonaws.com", "2026-01-05T00:00:00Z")
    assert found["requestParameters"]["bucketName"] == "acme-vision-data"
    assert found["requestParameters"]["key"] == "cars/part-0001"
    assert found["resources"][0]["ARN"] == "arn:aws:s3:::acme-vision-data/cars/part-0001"
    assert found["eventCategory"] == "Data" and found["managementEvent"] is False and found["readOnly"] is True
    assert who["sessionContext"]["attributes"]["creationDate"] < found["eventTime"]


def test_a_temporary_key_is_one_session(record):
    keys = {record("cloudtrail", task=task)["userIdentity"]["accessKeyId"] for task in (1, 2, 1)}
    assert len(keys) == 2


def test_a_token_is_exchanged_by_its_subject(record):
    exchange = {"service": "sts", "operation": "AssumeRoleWithWebIdentity", "access": "auth"}
    found = record("cloudtrail", **exchange, resource="arn:aws:iam::123456789012:role/vision-workloads")
    who, told = found["userIdentity"], found["responseElements"]
    assert who["type"] == "WebIdentityUser" and "accessKeyId" not in who
    assert told["subjectFromWebIdentityToken"] == who["userName"] == "system:serviceaccount:vision:train"
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", told["credentials"]["accessKeyId"])
    assert told["assumedRoleUser"]["arn"].startswith("arn:aws:sts::123456789012:assumed-role/vision-workloads/")
    assert record("cloudtrail", **exchange, outcome="denied")["responseElements"] is None


def test_what_a_record_lists_agrees_with_itself(record):
    role = "arn:aws:iam::123456789012:role/other-workloads"
    (listed,) = record("cloudtrail", service="sts", operation="AssumeRole", access="auth", resource=role)["resources"]
    assert listed["accountId"] == "123456789012"
    found = record("cloudtrail", service="dynamodb", operation="GetItem", resource="store/x")
    assert found["resources"][0]["ARN"].split(":")[3] == found["awsRegion"]


def test_names_parameters_and_messages_are_those_of_aws(record):
    found = record("cloudtrail", operation="ListObjectsV2")
    assert (found["eventName"], found["eventCategory"]) == ("ListObjects", "Data")
    assert "resourceId" not in found["requestParameters"]
    code = {"service": "lambda", "operation": "UpdateFunctionCode", "access": "write", "resource": "function/x"}
    assert record("cloudtrail", **code)["eventName"] == "UpdateFunctionCode20150331v2"
    assert record("cloudtrail", service="neverheardof", operation="GetThing")["requestParameters"] is None
    shapes = load_data("scopedrift.simulator.records.writing", "cloudtrail.yaml", Shapes)
    for service in (shapes.default, *shapes.services.values()):
        assert set(service.errors) <= set(shapes.messages)
    assert "calling the" not in str(record("cloudtrail", outcome="error")["errorMessage"])


def test_every_cloud_operation_of_the_catalogue_has_its_request():
    shapes = load_data("scopedrift.simulator.records.writing", "cloudtrail.yaml", Shapes)
    for each in catalogue.operations().values():
        if each.stream == "cloud_audit":
            assert each.operation in shapes.operations[each.service], f"{each.service}.{each.operation}"


def test_a_static_key_is_a_users(record):
    who = record("cloudtrail", credential_kind="static-key")["userIdentity"]
    assert who["type"] == "IAMUser" and re.fullmatch(r"AKIA[A-Z2-7]{16}", who["accessKeyId"])
    assert who["arn"].endswith(":user/vision-train") and "sessionContext" not in who


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("s3", "GetObject", "AccessDenied"),
        ("ec2", "RunInstances", "Client.UnauthorizedOperation"),
        ("bedrock", "InvokeModel", "AccessDeniedException"),
        ("neverheardof", "GetThing", "AccessDeniedException"),
    ],
)
def test_error_codes_are_the_services(record, service, operation, code):
    found = record("cloudtrail", service=service, operation=operation, outcome="denied")
    assert found["errorCode"] == code
    assert f"is not authorized to perform: {service}:{operation}" in found["errorMessage"]
    assert "errorCode" not in record("cloudtrail", service=service, operation=operation)
    failed = record("cloudtrail", service=service, operation=operation, outcome="error")["errorCode"]
    shapes = load_data("scopedrift.simulator.records.writing", "cloudtrail.yaml", Shapes)
    assert failed in shapes.services.get(service, shapes.default).errors


def test_a_call_by_a_service_names_it(record):
    found = record("cloudtrail", source="lambda.amazonaws.com")
    assert found["sourceIPAddress"] == found["userAgent"] == "lambda.amazonaws.com"
    assert found["userIdentity"]["type"] == "AssumedRole" and "tlsDetails" not in found
    assert found["userIdentity"]["invokedBy"] == "lambda.amazonaws.com"
    assert "invokedBy" not in record("cloudtrail")["userIdentity"]
    assert record("cloudtrail", identity=None)["userIdentity"] == {"type": "AWSService", "invokedBy": "10.0.0.7"}


@pytest.mark.parametrize(
    ("identity", "kind", "arn"),
    [
        ("arn:aws:iam::111122223333:root", "Root", "arn:aws:iam::111122223333:root"),
        ("arn:aws:iam::111122223333:user/emil", "IAMUser", "arn:aws:iam::111122223333:user/emil"),
        ("arn:aws:iam::111122223333:role/etl", "AssumedRole", "arn:aws:sts::111122223333:assumed-role/etl/"),
        ("ec2.amazonaws.com", "AWSService", None),
    ],
)
def test_a_principal_of_aws_stays_what_it_is(record, round_trip, log_of, identity, kind, arn):
    row = {"identity": identity, "credential_kind": "session", "project": "444455556666"}
    found = record("cloudtrail", **row)
    assert found["userIdentity"]["type"] == kind and found["recipientAccountId"] == "444455556666"
    assert found["userIdentity"].get("arn", "").startswith(arn or "")
    assert round_trip(log_of(row), "cloudtrail")[1]["identity"].tolist() == [identity]


def test_a_sign_in_is_an_event_of_its_own_type(record):
    row = {"service": "signin", "operation": "ConsoleLogin", "access": "auth", "resource": None}
    root = record("cloudtrail", **row, identity="arn:aws:iam::111122223333:root", credential=None, credential_kind=None)
    assert root["eventType"] == "AwsConsoleSignIn" and "accessKeyId" not in root["userIdentity"]


@pytest.mark.parametrize("resource", ["checkpoint/vision", "model", "s3://b", "arn:aws-cn:s3:::b/k"])
def test_every_object_is_in_a_bucket(record, resource):
    found = record("cloudtrail", resource=resource)
    assert found["requestParameters"]["bucketName"] and found["resources"][0]["ARN"].startswith("arn:aws:s3:::")


def test_a_private_address_comes_through_an_endpoint(record):
    for source in ("10.0.0.7", "fd00:1:0::8"):
        assert record("cloudtrail", source=source)["vpcEndpointId"].startswith("vpce-0")
    for source in ("203.0.113.9", "2001:db8::1"):
        assert "vpcEndpointId" not in record("cloudtrail", source=source)


def test_the_image_of_a_training_job(record):
    job = {"service": "sagemaker", "operation": "CreateTrainingJob", "access": "create", "resource": "vision/jobs/a"}
    parameters = record("cloudtrail", **job, image="ghcr.io/a/b:1")["requestParameters"]
    assert parameters["algorithmSpecification"]["trainingImage"] == "ghcr.io/a/b:1"
    assert parameters["trainingJobName"] == "a"
    assert "trainingImage" not in record("cloudtrail", **job)["requestParameters"]["algorithmSpecification"]


def test_account_numbers_are_those_of_the_simulated_world(log_of):
    names = ExportNames.of(log_of({"resource": "arn:aws:iam::123456789012:role/vision-workloads"}))
    assert names.account("vision") == "123456789012"
    assert re.fullmatch(r"\d{12}", names.account("speech")) and names.account("speech") != names.account("vision")


def test_kubernetes_at_both_audit_levels(record):
    found = record("kubernetes", **JOB)
    assert found["level"] == "Request" and found["stage"] == "ResponseComplete"
    assert found["user"]["username"] == "system:serviceaccount:vision:train"
    assert "system:serviceaccounts:vision" in found["user"]["groups"]
    assert found["objectRef"] == {
        "resource": "daemonsets", "namespace": "vision", "name": "miner", "apiGroup": "apps", "apiVersion": "v1",
    }  # fmt: skip
    (container,) = found["requestObject"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/x/miner:1" and container["securityContext"]["privileged"] is True
    assert found["requestObject"]["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    modest = record("kubernetes", **{**JOB, "access": "create"})["requestObject"]["spec"]["template"]["spec"]
    assert modest["containers"] == [{key: container[key] for key in container if key != "securityContext"}]
    assert "hostPID" not in modest
    (token,) = found["user"]["extra"]["authentication.kubernetes.io/credential-id"]
    assert UUID.fullmatch(token.removeprefix("JTI=")), "a service account has tokens"
    assert found["annotations"]["authorization.k8s.io/reason"] == (
        'RBAC: allowed by RoleBinding "train/vision" of Role "train" to ServiceAccount "train/vision"'
    )
    assert found["responseStatus"]["code"] == 201
    assert found["requestURI"] == "/apis/apps/v1/namespaces/vision/daemonsets"
    plain = record("kubernetes", **{**JOB, "image": None})
    assert plain["level"] == "Metadata" and "requestObject" not in plain
    denied = record("kubernetes", **{**JOB, "outcome": "denied"})
    assert denied["responseStatus"]["reason"] == "Forbidden"
    assert denied["annotations"]["authorization.k8s.io/decision"] == "forbid"


def test_a_node_has_a_certificate_no_pod_and_a_lease_of_its_own(record):
    lease = {**JOB, "image": None, "operation": "update leases", "access": "write"}
    found = record("kubernetes", **lease, identity="spiffe://acme.example/ns/vision/sa/lease-controller-007")
    user = found["user"]
    assert re.fullmatch(r"system:node:ip-10(-\d{1,3}){3}\.eu-west-1\.compute\.internal", user["username"])
    assert user["groups"] == ["system:nodes", "system:authenticated"] and "uid" not in user
    ((extra, (certificate,)),) = user["extra"].items()
    assert extra.endswith("/credential-id") and re.fullmatch("X509SHA256=[0-9a-f]{64}", certificate)
    assert found["objectRef"]["namespace"] == "kube-node-lease"
    assert f"system:node:{found['objectRef']['name']}" == user["username"]
    assert found["userAgent"].startswith("kubelet/")
    other = record("kubernetes", **lease, identity="spiffe://acme.example/ns/speech/sa/lease-controller-007")
    assert other["user"]["username"] != user["username"]


def test_a_controller_is_an_account_of_the_system(record):
    job = {**JOB, "identity": "spiffe://acme.example/ns/vision/sa/scheduler-001"}
    found = record("kubernetes", **job)
    assert found["user"]["username"] == "system:serviceaccount:kube-system:scheduler-001"
    assert "system:serviceaccounts:kube-system" in found["user"]["groups"]
    assert 'of ClusterRole "scheduler-001"' in found["annotations"]["authorization.k8s.io/reason"]
    other = record("kubernetes", **{**job, "identity": "spiffe://acme.example/ns/speech/sa/scheduler-001"})
    assert other["user"]["username"] == "system:serviceaccount:kube-system:scheduler-001"


def test_a_cluster_fails_requests_as_a_cluster_does(log_of):
    verbs = {"get": {404}, "list": set(), "watch": set(), "create": {409}, "delete": {404}, "patch": {409}}
    rows = [
        {
            "stream": "kubernetes_audit",
            "service": "kubernetes",
            "operation": f"{verb} pods",
            "outcome": "error",
            "task": at,
        }
        for verb in verbs
        for at in range(40)
    ]
    log = log_of(*rows)
    writer = FORMATS["kubernetes"].writer(ExportNames.of(log))
    for number, event in enumerate(log.batch(0, len(log))):
        code = writer.record(event, number)["responseStatus"]["code"]
        assert code >= 500 or code in verbs[event.operation.partition(" ")[0]], event.operation


def test_requests_to_a_cluster_of_google_are_the_clusters(record):
    found = record("gcp", **JOB)
    assert found["protoPayload"]["methodName"] == "io.k8s.apps.v1.daemonsets.create"
    assert found["protoPayload"]["request"]["kind"] == "DaemonSet"
    assert set(found["resource"]["labels"]) == {"project_id", "location", "cluster_name"}
    lease = {**JOB, "operation": "update leases", "access": "write", "image": None}
    found = record("gcp", **lease)
    assert found["protoPayload"]["methodName"] == "io.k8s.coordination.v1.leases.update"
    assert found["logName"].endswith("%2Factivity")


def test_nodes_and_controllers_have_their_clusters_names(record):
    lease = {**JOB, "operation": "update leases", "access": "write", "image": None, "resource": "lease-a"}
    node = {**lease, "identity": "spiffe://acme.example/ns/vision/sa/lease-controller-001"}
    found = record("gcp", **node)["protoPayload"]
    name = found["authenticationInfo"]["principalEmail"].removeprefix("system:node:")
    assert re.fullmatch(r"gke-[a-z0-9-]+-[0-9a-f]{8}-[0-9a-f]{4}", name)
    assert found["resourceName"] == f"coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
    controller = {**lease, "operation": "list pods", "identity": "spiffe://acme.example/ns/vision/sa/scheduler-001"}
    found = record("gcp", **controller)["protoPayload"]
    assert found["authenticationInfo"]["principalEmail"] == "system:serviceaccount:kube-system:scheduler-001"
    assert found["resourceName"] == "core/v1/namespaces/vision/pods"
    mine = record("gcp", **{**node, "stream": "cloud_audit", "service": "s3", "operation": "GetObject"})
    assert mine["protoPayload"]["authenticationInfo"]["principalEmail"].endswith("iam.gserviceaccount.com")
    assert record("gcp", **lease)["protoPayload"]["authenticationInfo"]["principalEmail"].startswith("train@")


def test_google_cloud_has_no_calls_of_aws(log_of, tmp_path):
    foreign = {"service": "bedrock", "operation": "PutUseCaseForModelAccess", "access": "admin"}
    result = export_log(log_of({}, foreign), "gcp", tmp_path)
    assert result.records == 1 and result.foreign == {"bedrock PutUseCaseForModelAccess": 1}
    apis = load_data("scopedrift.simulator.records.writing", "gcp.yaml", dict[str, tuple[str, str, str]])
    services = {service for service, _ in published("gcp")[1]}
    assert {service for service, _, _ in apis.values()} <= services | UNLISTED


REQUIRED = {
    "": ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"),
    "cloud_audit": ("actor", "api", "src_endpoint"),
    "issuance": ("user",),
    "runtime": ("dst_endpoint",),
}


@pytest.mark.parametrize("row", [{}, JOB, ISSUE, METADATA], ids=lambda row: row.get("stream", "cloud_audit"))
@pytest.mark.parametrize("outcome", [*OUTCOMES, None])
def test_ocsf_required_fields(record, row, outcome):
    found = record("ocsf", **{**row, "outcome": outcome, "source": None})
    for name in (*REQUIRED[""], *REQUIRED.get(row.get("stream", "cloud_audit"), ())):
        assert found.get(name) is not None, name
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]
    assert found["category_uid"] == found["class_uid"] // 1_000
    assert found["metadata"]["version"] and found["metadata"]["product"]["name"]
    assert isinstance(found["time"], int) and found["time"] == 1_767_571_200_000


def test_a_metadata_read_is_network_activity(record):
    found = record("ocsf", **METADATA)
    assert (found["class_uid"], found["dst_endpoint"]["ip"]) == (4001, "169.254.169.254")
    falco = record("falco", **METADATA)
    assert falco["output_fields"]["fd.sip"] == "169.254.169.254" and "metadata" in falco["rule"]


def test_a_span_and_an_audit_log_entry(record):
    (span,) = record("otel", **AGENT)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) and re.fullmatch(r"[0-9a-f]{16}", span["spanId"])
    assert {"key": "gen_ai.tool.name", "value": {"stringValue": "read_file"}} in span["attributes"]
    entry = record("gcp")
    assert entry["protoPayload"]["methodName"] == "storage.objects.get"
    assert entry["protoPayload"]["resourceName"] == "projects/_/buckets/acme-vision-data/objects/cars/part-0001"
    assert entry["protoPayload"]["authenticationInfo"]["principalEmail"] == "train@vision.iam.gserviceaccount.com"
    assert re.fullmatch(r"2026-01-05T00:00:00\.000000\d{3}Z", entry["timestamp"])


def test_no_format_carries_a_stream_that_its_original_does_not(log_of, tmp_path):
    log = log_of({}, METADATA, JOB, ISSUE, AGENT, LAUNCH, CLONE)
    seen = {}
    for format in FORMATS:
        result = export_log(log, format, tmp_path / format)
        text = "".join(str(import_log(tmp_path / format).original(i)) for i in range(result.records))
        seen[format] = "169.254.169.254" in text
        assert result.records + result.left.total() + result.foreign.total() == len(log)
        assert not set(result.left) & set(FORMATS[format].streams)
    assert seen == {format: format in ("ocsf", "falco") for format in FORMATS}
    with pytest.raises(LogError, match=r"otel records carry only agent, .* 1 of runtime"):
        export_log(log_of(METADATA), "otel", tmp_path / "none")
    with pytest.raises(LogError, match="unknown format 'syslog'"):
        export_log(log, "syslog", tmp_path / "none")


def test_an_export_is_repeatable_and_its_files_are_delivered_by_account_and_hour(log_of, tmp_path):
    rows = [{"time": 1_767_571_200_000_000 + i * 1_800_000_000, "project": p} for i in range(4) for p in ("a", "b")]
    log = log_of(*rows)
    for name in "12":
        result = export_log(log, "cloudtrail", tmp_path / name)
        assert len(result.files) == 4
    one, two = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.gz")} for n in "12")
    assert one == two
    assert all(content[4:8] == bytes(4) for content in one.values()), "no time of writing in the gzip header"
    folder = r"AWSLogs/(\d{12})/CloudTrail/[a-z0-9-]+/2026/01/05/"
    name = folder + r"\1_CloudTrail_[a-z0-9-]+_20260105T0[01]00Z_[A-Z2-7]{16}.json.gz"
    assert all(re.fullmatch(name, Path(path).as_posix()) for path in one)


def test_names_are_allowed_and_never_shared(log_of):
    names = ExportNames.of(log_of({}))
    texts = ["a b", "a-b", "a/b", "A b", "é", "ü", "", "x" * 80, "x" * 81]
    for made in ([names.named("k", t) for t in texts], [names.label("l", t) for t in texts]):
        assert len(set(made)) == len(texts)
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in made)
    assert names.named("k", "a/b") == names.named("k", "a/b") != names.named("k", "a b")


def test_the_telling_part_of_a_name():
    assert service_account("spiffe://acme.example/ns/a/sa/b") == ("a", "b")
    assert service_account("arn:aws:iam::1:role/x") == (None, "arn:aws:iam::1:role/x")
    shown = {
        "s3://b/k/x": "x",
        "a/jobs/y": "y",
        "secret:a/z": "a/z",
        "queue/q": "q",
        "db.table": "db.table",
        "s3://": "s3:",
    }
    assert {text: telling(text) for text in shown} == shown


def test_a_value_that_an_event_does_not_have_takes_its_parameter_with_it():
    shape = {"a": "{x}-{y}", "b": ["{y}"], "c": {"d": "{x}"}, "e": 5, "f": [], "g": "plain"}
    assert fill(shape, {"x": "1", "y": None}) == {"c": {"d": "1"}, "e": 5, "f": [], "g": "plain"}
    assert fill("{x}", {"x": "{y}"}) == "{y}", "what an event says is no template"


GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_an_activity_log_entry_is_in_the_style_of_diagnostic_logs(record):
    found = record("azure", **LAUNCH)
    assert found["operationName"] == "MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE"
    assert found["resourceId"].startswith("/SUBSCRIPTIONS/") and found["resourceId"].isupper()
    assert re.fullmatch(r"2026-01-05T00:00:00\.\d{7}Z", found["time"])
    claims, granted = found["identity"]["claims"], found["identity"]["authorization"]
    assert (
        GUID.fullmatch(claims["appid"]) and claims["idtyp"] == "app" and granted["scope"].upper() == found["resourceId"]
    )
    assert granted["evidence"]["principalId"] in claims.values()
    assert (found["resultType"], found["resultSignature"]) == ("Success", "Success.Created")
    assert record("azure", **{**LAUNCH, "outcome": "denied"})["resultSignature"] == "Failure.Forbidden"
    assert record("azure") is None, "reading an object is no entry of the Activity Log"


@pytest.mark.parametrize(
    ("service", "operation", "kind", "category", "credential"),
    [
        ("spire", "FetchX509SVID", "oauth", "ManagedIdentitySignInLogs", "uniqueTokenIdentifier"),
        ("oauth", "ExchangeToken", "oauth", "ServicePrincipalSignInLogs", "federatedCredentialId"),
        ("oauth", "IssueAccessToken", "static-key", "ServicePrincipalSignInLogs", "servicePrincipalCredentialKeyId"),
    ],
)
def test_a_workload_signs_in_with_what_it_has(record, service, operation, kind, category, credential):
    row = {**ISSUE, "service": service, "operation": operation, "credential_kind": kind}
    found = record("entra", **row)
    assert found["category"] == category and found["resultType"] == "0"
    assert GUID.fullmatch(found["properties"][credential]) and GUID.fullmatch(found["properties"]["servicePrincipalId"])
    codes = [record("entra", **{**row, "outcome": outcome})["resultType"] for outcome in ("denied", "error")]
    assert codes == ["7000215" if kind == "static-key" else "700213", "90033"]


def test_a_service_principal_is_the_same_in_both_logs_of_microsoft(log_of, round_trip):
    rows = ({**ISSUE, "service": "oauth", "operation": "ExchangeToken"}, LAUNCH)
    identities = {format: set(round_trip(log_of(*rows), format)[1]["identity"]) for format in ("azure", "entra")}
    assert identities["azure"] == identities["entra"] and len(identities["azure"]) == 1


def test_github_lists_what_was_done_and_what_a_branch_rejected(record):
    push = {**CLONE, "operation": "Push", "access": "write"}
    assert record("github", **CLONE)["action"] == "git.clone" and record("github", **push)["repo"] == "acme/vision"
    assert record("github", **{**push, "outcome": "denied"})["action"] == "protected_branch.rejected_ref_update"
    assert (
        record("github", **{**CLONE, "outcome": "denied"}) is record("github", **{**push, "outcome": "error"}) is None
    )
    assert record("github", **CLONE)["actor"].endswith("[bot]")
    assert not record("github", **CLONE, credential_kind="static-key")["actor"].endswith("[bot]")


def test_okta_grants_tokens_to_machines(record):
    found = record("okta", **ISSUE)
    assert found["eventType"] == "app.oauth2.as.token.grant.id_token" and found["actor"]["type"] == "PublicClientApp"
    assert re.fullmatch(r"0oa[a-z2-7]{17}", found["actor"]["id"]) and found["actor"]["id"] == found["client"]["id"]
    key = record("okta", **ISSUE, credential_kind="static-key")
    assert re.fullmatch(r"00T[a-z2-7]{17}", key["transaction"]["detail"]["requestApiTokenId"])


def test_a_watch_is_told_when_it_starts(record):
    row = {**JOB, "operation": "watch pods", "access": "read", "image": None}
    stages = {outcome: record("kubernetes", **row, outcome=outcome)["stage"] for outcome in ("success", "denied")}
    assert stages == {"success": "ResponseStarted", "denied": "ResponseComplete"}


def test_requests_to_a_cluster_come_from_the_same_software_in_both_logs(record):
    cluster = record("kubernetes", **JOB)["userAgent"]
    assert record("gcp", **JOB)["protoPayload"]["requestMetadata"]["callerSuppliedUserAgent"] == cluster
    assert "gzip(gfe)" in record("gcp")["protoPayload"]["requestMetadata"]["callerSuppliedUserAgent"]
