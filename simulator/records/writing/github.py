"""Operations on code and packages, and administration that GitHub has, as entries of its audit log.

An identity is a GitHub App (`name[bot]`), or with a static key a user with a personal access token.  What somebody was
refused is in the log only where a protected branch rejected it; what failed is not.

Kept by an import: time (to the millisecond), outcome, source (exactly); identity, and credential (one to one); that a
key is static.
Renamed or narrowed: service and operation (tags and workflows are pushed as code is, and access follows), resource
(the repository; a package within the organisation).
Lost: arrived, workload, task, task_kind, on_behalf_of, project (the owner of a repository), image, bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from scopedrift.simulator.log.events import HOUR, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames, service_account

PUSH, REJECTED, PUBLISHED = "git.push", "protected_branch.rejected_ref_update", "packages.package_version_published"
ACTIONS: Final = {
    "git.Clone": "git.clone",
    "git.Push": PUSH,
    "git.UpdateTag": PUSH,
    "git.UpdateWorkflow": PUSH,
    "packages.Publish": PUBLISHED,
}
_AGENTS: Final = ("git/2.43.0", "JGit/6.8.0", "go-git/5.11.0", "git/2.39.3 (Apple Git-146)")
_REPOSITORY: Final = re.compile(r"git:([\w.-]+)/([\w.-]+)")


class GithubWriter:
    """Turns events into audit log entries."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._organisation = "platform"

    def file(self, event: Event) -> str:
        """Where the record is written: one file an hour."""
        hour = iso_seconds(event.arrived // HOUR * HOUR)
        return f"github/{hour[:10].replace('-', '/')}/{hour[11:13]}.json.log.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return b64encode(self._names.digest("entry", number)).decode()[:22]

    def record(self, event: Event, number: int) -> Record | None:
        """The entry of the event at position `number`; None for what the audit log does not have."""
        action = ACTIONS.get(f"{event.service}.{event.operation}")
        if action is None or event.outcome == "error" or (event.outcome == "denied" and action != PUSH):
            return None
        if event.outcome == "denied":
            action = REJECTED
        names, static = self._names, event.credential_kind == "static-key"
        owner, repository = self._place(event)
        milliseconds = event.time // 1_000
        entry: dict[str, Json] = {
            "@timestamp": milliseconds,
            "_document_id": self.identifier(number),
            "action": action,
            "actor": self._login(event, static) if event.identity else None,
            "actor_id": names.number("actor", event.identity) % 10**8 if event.identity else None,
            "actor_ip": event.source,
            "actor_is_bot": not static,
            "created_at": milliseconds,
            "org": owner,
            "org_id": names.number("org", owner) % 10**8,
            "user_agent": _AGENTS[names.number("agent", event.identity) % len(_AGENTS)],
        }
        if event.credential:
            entry["hashed_token"] = b64encode(names.digest("token", event.credential) * 2).decode()
            entry["programmatic_access_type"] = (
                "Personal access token (classic)" if static else "GitHub App server-to-server token"
            )
        if action == PUBLISHED:
            entry |= {"package": repository, "ecosystem": "npm"}
        else:
            full = f"{owner}/{repository}"
            entry |= {"repo": full, "repo_id": names.number("repo", full) % 10**9, "visibility": "private"}
        if action.startswith("git."):
            entry |= {"transport_protocol": 1, "transport_protocol_name": "http"}
        return {key: value for key, value in entry.items() if value is not None}

    def _place(self, event: Event) -> tuple[str, str]:
        """The owner, and the repository or package, that an event is about."""
        resource = event.resource or "main"
        found = _REPOSITORY.fullmatch(resource)
        if found:
            return found[1], self._names.label("repository", resource, found[2])
        return self._organisation, self._names.label("repository", resource, resource.removeprefix("pkg:"))

    def _login(self, event: Event, static: bool) -> str:
        namespace, name = service_account(event.identity or "")
        login = self._names.label("login", event.identity or "", "-".join(filter(None, (namespace, name))), limit=34)
        return login if static else f"{login}[bot]"


writer: Final = GithubWriter
