"""GitHub's audit log and Actions webhooks: who did what to which repository, in which run."""

import json

import pytest

from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.reading.importer import import_log

PUSH = {
    "@timestamp": 1_741_613_400_123,
    "_document_id": "d1",
    "action": "git.push",
    "actor": "release-app[bot]",
    "actor_is_bot": True,
    "actor_ip": "203.0.113.9",
    "hashed_token": "aGFzaA==",
    "programmatic_access_type": "GitHub App server-to-server token",
    "org": "acme",
    "repo": "acme/changed-files",
}
RUN = {
    "action": "completed",
    "workflow_run": {
        "id": 99,
        "name": "release",
        "conclusion": "failure",
        "created_at": "2025-03-14T15:10:00Z",
        "updated_at": "2025-03-14T15:12:00Z",
        "triggering_actor": {"login": "ann"},
    },
    "repository": {"full_name": "acme/changed-files"},
    "organization": {"login": "acme"},
    "sender": {"login": "github-actions[bot]"},
}


@pytest.fixture
def read(tmp_path):
    def reads(*records):
        (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
        imported = import_log(tmp_path / "log.jsonl")
        assert set(imported.report.formats) == {"github"}
        frame = imported.log.frame()
        return frame.astype(object).where(frame.notna(), None).to_dict("records")

    return reads


def test_a_push_with_a_token_of_an_app(read):
    (found,) = read(PUSH)
    assert str(found["time"]) == "2025-03-10 13:30:00.123000+00:00"
    expected = {
        "identity": "release-app[bot]", "service": "github", "operation": "git.push", "access": "write",
        "resource": "acme/changed-files", "project": "acme", "source": "203.0.113.9", "outcome": "success",
        "stream": "runtime", "credential_kind": "session",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    (key,) = read({**PUSH, "programmatic_access_type": "Personal access token (classic)"})
    assert key["credential_kind"] == "static-key" and key["credential"] == found["credential"]


@pytest.mark.parametrize(
    ("changed", "column", "expected"),
    [
        ({"action": "protected_branch.rejected_ref_update"}, "outcome", "denied"),
        ({"action": "user.failed_login"}, "outcome", "denied"),
        ({"action": "api.request", "status_code": 403, "request_method": "GET"}, "outcome", "denied"),
        ({"action": "api.request", "status_code": 502, "request_method": "GET"}, "outcome", "error"),
        ({"action": "api.request", "request_method": "GET"}, "access", "read"),
        ({"action": "api.request", "request_method": "DELETE"}, "access", "delete"),
        ({"action": "workflows.completed_workflow_run", "conclusion": "failure"}, "outcome", "error"),
        ({"action": "workflows.completed_workflow_run", "conclusion": "success"}, "outcome", "success"),
        ({"action": "org.create_actions_secret", "key": "NPM_TOKEN", "repo": None}, "resource", "acme/NPM_TOKEN"),
        ({"action": "org.create_actions_secret"}, "access", "admin"),
        ({"action": "team.add_member", "repo": None, "data": {"team": "acme/admins"}}, "resource", "acme/acme/admins"),
        ({"action": "repo.create"}, "access", "create"),
        ({"action": "workflows.created_workflow_run", "name": "ci"}, "workload", "ci"),
        ({"action": "git.clone", "org": None}, "project", "acme"),
        ({"actor": None}, "identity", None),
        ({"@timestamp": None, "created_at": 1_741_613_400_123}, "outcome", "success"),
        ({"action": "repo.create"}, "stream", "cloud_audit"),
    ],
)
def test_what_an_entry_says(read, changed, column, expected):
    (found,) = read({name: value for name, value in {**PUSH, **changed}.items() if value is not None})
    assert found[column] == expected


def test_a_webhook_reads_as_the_audit_logs_entry_of_the_same_act(read):
    entry = {
        "@timestamp": "2025-03-14T15:12:00Z", "action": "workflows.completed_workflow_run", "actor": "ann",
        "org": "acme", "repo": "acme/changed-files", "name": "release", "workflow_run_id": 99, "conclusion": "failure",
    }  # fmt: skip
    webhook, audit = read(RUN, entry)
    assert webhook == audit and webhook["outcome"] == "error" and webhook["workload"] == "release"


def test_jobs_of_a_run_belong_to_its_task(read):
    job = {"run_id": 99, "workflow_name": "release", "name": "build", "started_at": "2025-03-14T15:11:00Z"}
    begun = {**RUN, "action": "in_progress", "workflow_job": job}
    del begun["workflow_run"]
    whole, part = read(RUN, begun)[::-1]
    assert whole["task"] == part["task"] and part["operation"] == "workflows.prepared_workflow_job"
    assert part["identity"] == "github-actions[bot]" and str(part["time"])[11:19] == "15:11:00"


def test_an_entry_that_is_delivered_twice_is_one_event(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, [PUSH, PUSH, {**PUSH, "_document_id": "d2"}])))
    assert import_log(tmp_path / "log.jsonl").report.events == 2


def test_actions_of_runs_and_of_administration_are_listed():
    assert access_of("github", "workflows.prepared_workflow_job") == ("create", True)
    assert access_of("github", "org.register_self_hosted_runner") == ("admin", True)
    assert access_of("github", "oauth_access.create") == ("auth", True)
    assert access_of("github", "never.heard_of")[1] is False
