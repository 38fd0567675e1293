"""GitHub's audit log, and deliveries of its Actions webhooks, to events.

Audit log entries come as an export, the API or a stream gives them; older ones have some fields under `data`.  The
webhooks `workflow_run` and `workflow_job` read as the audit log's entry of the same act.  Who: the login of the actor
(an app's ends in `[bot]`), of a run whoever triggered it.  A run of a workflow is a task, the workflow its workload.
Credential: the token, by its hash.  The audit log lists what was done; what it lists as refused is denied.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import resolve
from scopedrift.simulator.records.json_paths import Json, Record, at, child, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields

STATIC: Final = ("Personal access token (classic)", "Fine-grained personal access token", "Deploy key", "SSH key")
"""Kinds of programmatic access with a key that lasts; others are tokens of an app or a run."""
CODE: Final = ("git.", "packages.", "protected_branch.rejected_ref_update")
"""Actions on code and packages, which are of the stream `runtime`; all others are of `cloud_audit`."""
RUNS: Final = ("workflow_run", "workflow_job")
ACTS: Final = {
    "workflow_run requested": "workflows.created_workflow_run",
    "workflow_run completed": "workflows.completed_workflow_run",
    "workflow_job in_progress": "workflows.prepared_workflow_job",
}
"""What the audit log calls the act of a webhook."""
CONCLUSIONS: Final = {"success": "success", "neutral": "success", "skipped": "success", "action_required": "denied"}
_OBJECTS: Final = ("key", "package", "environment_name", "team", "user", "hook_id", "name")
"""The fields that name what in a repository or an organisation an entry is about."""


def read(record: Record) -> Fields | None:
    """The fields of one entry or delivery."""
    kind = next((kind for kind in RUNS if isinstance(record.get(kind), dict)), None)
    if kind is not None:
        return _of_run(record, kind)
    data = record.get("data")
    entry: Record = {**data, **record} if isinstance(data, dict) else record
    action = text(entry.get("action"))
    if action is None:
        return None
    method = text(entry.get("request_method"))
    access, listed = access_of("github", action)
    if action == "api.request" and method:
        access, listed = ("read" if method in ("GET", "HEAD") else "delete" if method == "DELETE" else "write"), True
    run = action.startswith("workflows.")
    kind = text(entry.get("programmatic_access_type"))
    token = first_text(entry, ("hashed_token", "token_id", "deploy_key_fingerprint", "public_key_fingerprint"))
    return {
        "id": first_text(entry, ("_document_id",)),
        "time": first_text(entry, ("@timestamp", "created_at")),
        "stream": "runtime" if action.startswith(CODE) else "cloud_audit",
        "identity": resolve({"user_name": text(entry.get("actor"))}).identity,
        "credential": token,
        "credential_kind": None if token is None else "static-key" if kind in STATIC else "session",
        "workload": text(entry.get("name")) if run else None,
        "task": entry.get("workflow_run_id"),
        "service": "github",
        "operation": action,
        "access": access,
        "listed": listed,
        "resource": _resource(entry, run),
        "project": first_text(entry, ("org", "business")) or _owner(text(entry.get("repo"))),
        "source": text(entry.get("actor_ip")),
        "outcome": _outcome(entry, action),
    }


def _resource(entry: Record, run: bool) -> str | None:
    place = first_text(entry, ("repo", "repository", "org", "business"))
    what = None if run else first_text(entry, _OBJECTS)
    route = text(entry.get("route"))
    return "/".join(filter(None, (place, what))) or route


def _owner(repository: str | None) -> str | None:
    return repository.partition("/")[0] if repository else None


def _outcome(entry: Record, action: str) -> str:
    code = text(entry.get("status_code"))
    if code and code.isdecimal():
        return outcomes.of_status(int(code))
    if action in outcomes.denied("methods"):
        return "denied"
    return _concluded(entry.get("conclusion")) or "success"


def _concluded(conclusion: Json) -> str | None:
    """How a run ended; None while it runs."""
    return CONCLUSIONS.get(conclusion, "error") if isinstance(conclusion, str) and conclusion else None


def _of_run(record: Record, kind: str) -> Fields:
    """A run of a workflow, or a job of one."""
    run, action = record[kind], text(record.get("action")) or ""
    done = action == "completed"
    name = ACTS.get(f"{kind} {action}", f"workflows.{action}_{kind}")
    times = ("completed_at", "updated_at", "started_at", "created_at") if done else ("started_at", "created_at")
    who = first_text(record, (f"{kind}.triggering_actor.login", f"{kind}.actor.login", "sender.login"))
    access, listed = access_of("github", name)
    repository = first_text(record, ("repository.full_name",))
    return {
        "time": first_text(run, ("run_started_at", *times) if action == "requested" else times),
        "stream": "cloud_audit",
        "identity": resolve({"user_name": who}).identity,
        "workload": first_text(run, ("workflow_name", "name")),
        "task": text(child(run, "run_id" if kind == "workflow_job" else "id")),
        "service": "github",
        "operation": name,
        "access": access,
        "listed": listed,
        "resource": repository,
        "project": first_text(record, ("organization.login",)) or _owner(repository),
        "outcome": _concluded(at(run, "conclusion")) if done else "success",
    }


mapper: Final = partial(FieldMapper, "github", read)
