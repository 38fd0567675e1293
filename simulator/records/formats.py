"""The telemetry formats, one declaration each: what one is called, looks like and carries, and who reads and writes it.

A format `NAME` is its entry in `FORMATS`, a module `reading/NAME.py` that defines `mapper` (from a `RowBuilder` to what
maps records to rows) and, if it can be written, a module `writing/NAME.py` that defines `writer` (from `ExportNames` to
what makes records of events).  Options, help, errors and the documentation read this table; the modules are imported
when a format is used.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.json_paths import Record, at

if TYPE_CHECKING:
    from scopedrift.simulator.records.reading.reader import RecordMapper
    from scopedrift.simulator.records.reading.row_builder import RowBuilder
    from scopedrift.simulator.records.writing.exporter import RecordWriter
    from scopedrift.simulator.records.writing.naming import ExportNames

_READING: Final = "scopedrift.simulator.records.reading"
_WRITING: Final = "scopedrift.simulator.records.writing"


@dataclass(frozen=True)
class Format:
    """A kind of audit record."""

    name: str
    title: str
    """What it is, for people."""
    signature: tuple[str, ...]
    """The fields that a record is recognised by; `a|b` means one or the other."""
    streams: tuple[str, ...]
    """The streams that its records carry."""
    told: Mapping[str, tuple[str, ...]]
    """The fields that say who acted, on what and how it ended, by column."""
    written: bool = True
    """Whether an export can write it."""
    named: tuple[str, ...] = ()
    """The fields that follow from the service, the operation and the outcome of what happened, whoever did it."""
    wrapper: str | None = None
    """The key of the list that its files consist of; None: a record a line."""

    def recognises(self, record: Record) -> bool:
        """Whether a record looks like one of this format."""
        return all(any(at(record, path) is not None for path in each.split("|")) for each in self.signature)

    def mapper(self, rows: RowBuilder) -> RecordMapper:
        """What maps its records to rows of `rows`."""
        made: RecordMapper = import_module(f"{_READING}.{self.name}").mapper(rows)
        return made

    def writer(self, names: ExportNames) -> RecordWriter:
        """What writes events as its records.  Raises `LogError` if it can only be read."""
        if not self.written:
            raise LogError(
                f"{self.name} can be read but not written: expected one of {', '.join(names_of(written=True))}"
            )
        made: RecordWriter = import_module(f"{_WRITING}.{self.name}").writer(names)
        return made


FORMATS: Final = {
    each.name: each
    for each in (
        Format(
            "cloudtrail",
            "AWS CloudTrail records",
            ("eventName", "eventSource"),
            ("cloud_audit",),
            {"identity": ("userIdentity",), "resource": ("requestParameters", "resources")},
            named=("eventName", "eventSource"),
            wrapper="Records",
        ),
        Format(
            "kubernetes",
            "Kubernetes audit events (audit.k8s.io)",
            ("verb", "auditID|stage"),
            ("kubernetes_audit",),
            {"identity": ("user",), "resource": ("objectRef",), "outcome": ("responseStatus",)},
            named=("verb",),
        ),
        Format(
            "gcp",
            "Google Cloud audit log entries",
            ("protoPayload.serviceName|jsonPayload.serviceName", "protoPayload.methodName|jsonPayload.methodName"),
            ("cloud_audit", "kubernetes_audit"),
            {
                "identity": ("protoPayload.authenticationInfo",),
                "resource": ("protoPayload.resourceName", "protoPayload.request"),
            },
            named=("protoPayload.methodName", "protoPayload.serviceName"),
        ),
        Format(
            "ocsf",
            "OCSF events: API, network and HTTP activity, authentication",
            ("class_uid", "metadata"),
            ("cloud_audit", "kubernetes_audit", "issuance", "runtime"),
            {
                "identity": ("actor", "user"),
                "resource": ("resources", "api.request"),
                "outcome": ("status_id", "status"),
            },
        ),
        Format(
            "otel",
            "OpenTelemetry GenAI spans (OTLP JSON)",
            ("traceId", "spanId"),
            ("agent",),
            {"identity": ("attributes",)},
        ),
        Format(
            "entra",
            "Microsoft Entra sign-in and audit logs",
            (
                "properties.createdDateTime|createdDateTime|CreatedDateTime"
                "|properties.activityDateTime|activityDateTime|ActivityDateTime",
                "properties.appId|appId|AppId|properties.userId|userId|UserId"
                "|properties.initiatedBy|initiatedBy|InitiatedBy",
            ),
            ("issuance", "cloud_audit"),
            {"identity": ("properties.initiatedBy", "initiatedBy"), "resource": ("properties.targetResources",)},
        ),
        Format(
            "azure",
            "Azure Activity Log entries",
            (
                "operationName|OperationNameValue",
                "resourceId|_ResourceId|ResourceId|resourceUri",
                "identity|caller|Caller|claims|Claims|callerIpAddress|CallerIpAddress",
            ),
            ("cloud_audit",),
            {"identity": ("identity", "claims"), "resource": ("resourceId",), "outcome": ("resultType", "status")},
        ),
        Format(
            "github",
            "GitHub audit log entries and Actions webhooks",
            ("action", "@timestamp|created_at|workflow_run|workflow_job", "actor|org|repo|business|sender"),
            ("runtime", "cloud_audit"),
            {"identity": ("actor",), "resource": ("repo", "org")},
        ),
        Format(
            "okta",
            "Okta System Log events",
            ("eventType", "published", "actor"),
            ("issuance", "cloud_audit"),
            {"identity": ("actor",), "resource": ("target",), "outcome": ("outcome",)},
        ),
        Format(
            "falco",
            "Falco alerts (JSON output)",
            ("rule", "output_fields"),
            ("runtime",),
            {"identity": ("output_fields",), "resource": ("output_fields",)},
        ),
    )
}
"""In the order in which a first record is tried."""


def names_of(*, written: bool = False) -> list[str]:
    """The names of all formats, or of those that an export can write."""
    return [each.name for each in FORMATS.values() if each.written or not written]


def format_named(name: str) -> Format:
    """The format of a name.  Raises `LogError` for one that there is not, with the closest that there is."""
    if name not in FORMATS:
        close = difflib.get_close_matches(name, FORMATS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise LogError(f"unknown format {name!r}: expected one of {', '.join(FORMATS)}{hint}")
    return FORMATS[name]
