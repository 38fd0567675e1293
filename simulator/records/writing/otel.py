"""Events of the stream `agent` as OpenTelemetry GenAI spans (OTLP JSON): one request of one span a line.

Kept by an import: time and arrived (a span ends when it is exported), operation, service, identity, workload,
task_kind, on_behalf_of, project, source, image, outcome (exactly); task (one to one); resource (the data source, else
the tool's target or the model).
Narrowed: access (an import judges tools by their names).
Lost: credential and its kind, bytes.
"""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.log.events import DAY, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.reading.otel import FAILED
from scopedrift.simulator.records.timestamps import iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames

CLIENT, INTERNAL = 3, 1


class OtelWriter:
    """Turns events into spans."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names

    def file(self, event: Event) -> str:
        """Where the record is written: one file a day."""
        return f"otel/traces-{iso_seconds(event.arrived // DAY * DAY)[:10]}.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.digest("span", number).hex()[:16]

    def record(self, event: Event, number: int) -> Record:
        """The export request that holds the span of the event at position `number`."""
        names = self._names
        operation, _, tool = (event.operation or "chat").partition(" ")
        trace = names.digest("trace", event.task if event.task else number).hex()
        tags = {
            "gen_ai.operation.name": operation if tool and operation == "execute_tool" else event.operation,
            "gen_ai.tool.name": tool if operation == "execute_tool" else None,
            "gen_ai.agent.id": event.identity,
            "gen_ai.conversation.id": names.uuid("task", event.task) if event.task else None,
            "gen_ai.task.kind": event.task_kind,
            "gen_ai.data_source.id": event.resource,
            "gen_ai.provider.name": "aws.bedrock" if operation == "chat" else None,
            "enduser.id": event.on_behalf_of,
            "error.type": {"denied": "permission_denied", "error": "timeout"}.get(event.outcome or ""),
        }
        origin = {
            "service.name": event.workload,
            "service.namespace": event.project,
            "container.image.name": event.image,
            "host.name": event.source,
        }
        below = names.number("below", number) % 1_000
        span = {
            "traceId": trace,
            "spanId": self.identifier(number),
            "name": event.operation or "chat",
            "kind": CLIENT if operation == "chat" else INTERNAL,
            "startTimeUnixNano": str(event.time * 1_000 + below),
            "endTimeUnixNano": str(max(event.arrived, event.time) * 1_000 + below),
            "attributes": _attributes(tags),
            "status": {"code": FAILED} if tags["error.type"] else {},
        }
        scope: Record = {"scope": {"name": "opentelemetry.instrumentation.genai"}, "spans": [span]}
        return {"resourceSpans": [{"resource": {"attributes": _attributes(origin)}, "scopeSpans": [scope]}]}


def _attributes(values: dict[str, str | None]) -> list[Json]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items() if value is not None]


writer: Final = OtelWriter
