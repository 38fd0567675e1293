"""OpenTelemetry GenAI spans (OTLP JSON) to events: what agents and models did.

Who: `gen_ai.agent.id`, the agent's name, or the service that internal spans come from.  The conversation (else the
trace) is the task; a tool call is `execute_tool NAME`.  An event is seen when its span ended.  Spans without a
`gen_ai.*` attribute are no agent's actions: they are counted, not read.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, Record, at, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields

NOT_AGENT: Final = "a span without gen_ai attributes"

ACCESS: Final = {
    "chat": "read",
    "text_completion": "read",
    "generate_content": "read",
    "embeddings": "read",
    "retrieval": "read",
    "plan": "read",
    "invoke_agent": "create",
    "create_agent": "create",
    "invoke_workflow": "create",
    "execute_tool": "write",
}
READING_TOOLS: Final = ("read", "get", "list", "search", "fetch", "query", "find", "view", "grep", "glob", "cat", "ls")
"""First words of the names of tools that only read (assumed: a span gives only names)."""
FAILED: Final = 2


def read(record: Record) -> Fields | None:
    """The fields of one span."""
    tags = attributes(record.get("attributes"))
    if not any(name.startswith("gen_ai.") for name in tags):
        raise Unreadable(NOT_AGENT)
    origin = attributes(at(record, "resource.attributes"))
    operation = text(tags.get("gen_ai.operation.name")) or text(record.get("name"))
    tool = text(tags.get("gen_ai.tool.name"))
    return {
        "time": _nanoseconds(record.get("startTimeUnixNano")),
        "arrived": _nanoseconds(record.get("endTimeUnixNano")),
        "id": f"{record.get('traceId')} {record.get('spanId')}",
        "stream": "agent",
        "identity": _first(tags, "gen_ai.agent.id", "gen_ai.agent.name") or _first(origin, "service.name"),
        "workload": _first(origin, "service.name"),
        "task": _first(tags, "gen_ai.conversation.id") or text(record.get("traceId")),
        "task_kind": _first(tags, "gen_ai.workflow.name", "gen_ai.task.kind"),
        "on_behalf_of": _first(tags, "enduser.id", "user.id"),
        "service": "agent",
        "operation": f"{operation} {tool}" if tool and operation == "execute_tool" else operation,
        "access": _access(operation, tool),
        "resource": _first(
            tags, "gen_ai.data_source.id", "gen_ai.tool.target", "server.address", "gen_ai.request.model"
        ),
        "project": _first(origin, "service.namespace", "cloud.account.id"),
        "image": _first(origin, "container.image.name"),
        "source": _first(origin, "host.name", "k8s.pod.name"),
        "outcome": _outcome(record, tags),
    }


def attributes(listed: Json) -> dict[str, Json]:
    """OTLP's list of typed attributes as a plain dictionary (simple values only)."""
    found: dict[str, Json] = {}
    for item in listed if isinstance(listed, list) else ():
        key, value = at(item, "key"), at(item, "value")
        if isinstance(key, str) and isinstance(value, dict):
            found[key] = next((v for v in value.values() if not isinstance(v, (dict, list))), None)
    return found


def _first(tags: Record, *names: str) -> str | None:
    return next((found for name in names if (found := text(tags.get(name)))), None)


def _nanoseconds(value: Json) -> str | None:
    """OTLP writes nanoseconds as text, 0 where there are none."""
    number = first_text({"at": value}, ("at",))
    return None if number in (None, "0") else number


def _access(operation: str | None, tool: str | None) -> str | None:
    if operation == "execute_tool" and tool:
        word = tool.replace("-", "_").lower().partition("_")[0]
        return "read" if word in READING_TOOLS else "write"
    return ACCESS.get(operation or "")


def _outcome(record: Record, tags: Record) -> str:
    if at(record, "status.code") not in (FAILED, "STATUS_CODE_ERROR") and "error.type" not in tags:
        return "success"
    kind, why = text(tags.get("error.type")), text(at(record, "status.message"))
    return "denied" if "denied" in (outcomes.of_aws(kind), outcomes.of_text(why or "")) else "error"


mapper: Final = partial(FieldMapper, "otel", read)
