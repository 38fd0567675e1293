"""Unwrapping records from what collectors and stores wrap around them, by the table in `wrappers.yaml`.

A *value* is what a file holds (a line, an element, a whole document); a *record* is one audit record in it.  Beside the
table, `unwrap` knows OpenTelemetry's nested batches of spans and logs, rows that are lists of single fields, and lines
that begin with something else, such as those of a container runtime.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec

from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.json_paths import Json, Record, at, child
from scopedrift.simulator.records.reading.sources import LIMIT
from scopedrift.simulator.records.reading.splitting import CONTAINER_LINE, complete

DEPTH: Final = 6
"""Maximum nested wrappers around a record."""
LIST: Final = re.compile(rb"\s*\[")
"""How a list begins."""
_COLUMNS: Final = 256
"""Maximum single fields of a row."""
_SPANS: Final = ("resourceSpans", "resource_spans", "batches")
_LOGS: Final = ("resourceLogs", "resource_logs")
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


class Wrapper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to wrap a record."""

    what: str
    list: str = ""
    inner: str = ""
    packed: str = ""
    rename: dict[str, str] = {}


class Wrappers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`wrappers.yaml`."""

    wrappers: list[Wrapper]
    clusters: dict[str, str]


@cache
def table() -> Wrappers:
    """The table of wrappers."""
    found: Wrappers = load_data(__package__, "wrappers.yaml", Wrappers)
    return found


def unwrap(raw: bytes) -> list[bytes] | None:
    """The contents of a list, a known wrapper or a line with a prefix; None for anything else."""
    try:
        if LIST.match(raw):
            return _listed([bytes(element) for element in _elements(raw)])
        if raw.lstrip()[:1] != b"{":
            return _behind_prefix(raw)
        fields = {name: bytes(value) for name, value in _fields(raw).items()}
        if (found := _telemetry(fields, raw)) is not None:
            return found
        for wrapper in table().wrappers:
            if (found := _opened(wrapper, fields)) is not None:
                return found
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return None


def cluster_of(raw: bytes) -> str | None:
    """The cluster that a wrapper names."""
    if not any(name.encode() in raw for name in table().clusters):
        return None
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    for name, pattern in table().clusters.items():
        if found := re.fullmatch(pattern, str(child(record, name) or "")):
            return found[1]
    return None


def _opened(wrapper: Wrapper, fields: dict[str, bytes]) -> list[bytes] | None:
    if wrapper.rename:
        if next(iter(wrapper.rename)) not in fields:
            return None
        return [_object({wrapper.rename.get(name, name): value for name, value in fields.items()})]
    inner = _at(fields, wrapper.list or wrapper.inner)
    if wrapper.list:
        return [bytes(element) for element in _elements(inner)] if inner[:1] == b"[" else None
    if inner[:1] == b'"':
        inner = _unpacked(_text(inner).strip().encode("utf-8", "replace"), wrapper.packed)
    return [inner] if inner[:1] in (b"{", b"[") else None


def _at(fields: dict[str, bytes], path: str) -> bytes:
    """The JSON text at a path; empty if there is none."""
    head, _, rest = path.partition(".")
    inner = bytes(fields.get(path, fields.get(head, b"") if not rest else b""))
    if not inner and rest and bytes(fields.get(head, b""))[:1] == b"{":
        return _at({name: bytes(value) for name, value in _fields(fields[head]).items()}, rest)
    return inner


def _unpacked(data: bytes, how: str) -> bytes:
    if not how:
        return data
    try:
        data = base64.b64decode(data, validate=True)
        if how.endswith("gzip") or data[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            data = unpacker.decompress(data, LIMIT)
    except (binascii.Error, zlib.error):
        return b""
    return data.strip()


def _listed(elements: list[bytes]) -> list[bytes]:
    """The elements of a list; one row, if they are objects of a single field each with a name of its own."""
    if not 1 < len(elements) <= _COLUMNS or not all(element[:1] == b"{" for element in elements):
        return elements
    fields = [_fields(element) for element in elements]
    row = {name: bytes(value) for each in fields for name, value in each.items()}
    return [_object(row)] if len(row) == len(elements) == sum(map(len, fields)) else elements


def _object(fields: dict[str, bytes]) -> bytes:
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in fields.items()})


def _behind_prefix(raw: bytes) -> list[bytes] | None:
    """The JSON at the end of a line that a runtime or a logger wrote; parts of a cut line are joined."""
    lines = [CONTAINER_LINE.match(line) for line in raw.splitlines()]
    if lines and all(lines):
        return [b"".join(line[2] for line in lines if line)]
    start = raw.find(b"{")
    tail = raw[start:].strip()
    return [tail] if start > 0 and complete(tail) else None


def _telemetry(fields: dict[str, bytes], raw: bytes) -> list[bytes] | None:
    """The spans, or the bodies of the logs, in a batch of OpenTelemetry."""
    for name in (*_SPANS, *_LOGS):
        if name in fields:
            blocks = _objects(msgspec.json.decode(fields[name]))
            found = _bodies(blocks) if name in _LOGS else _spans(blocks)
            return list(map(msgspec.json.encode, found))
    if "scopeSpans" in fields or "scope_spans" in fields:
        return list(map(msgspec.json.encode, _spans([msgspec.json.decode(raw)])))
    return None


def _spans(blocks: list[Record]) -> Iterator[Json]:
    """Each span as a record of its own, with its resource's attributes beside it as `resource`."""
    for block in blocks:
        for scope in _inside(block, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            for span in _inside(scope, "spans"):
                yield {**{_camel(name): value for name, value in span.items()}, "resource": block.get("resource")}


def _bodies(blocks: list[Record]) -> Iterator[Json]:
    for block in blocks:
        for scope in _inside(block, "scopeLogs", "scope_logs"):
            for record in _inside(scope, "logRecords", "log_records"):
                body = _plain(record.get("body"))
                yield {"message": body} if isinstance(body, str) else body


def _inside(value: Record, *names: str) -> list[Record]:
    return next((_objects(value[name]) for name in names if name in value), [])


def _objects(value: Json) -> list[Record]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain(value: Json) -> Json:
    """A typed value of OTLP as plain JSON."""
    named = {_camel(name): inner for name, inner in value.items()} if isinstance(value, dict) else {}
    if "kvlistValue" in named:
        pairs = _objects(at(named["kvlistValue"], "values"))
        return {str(pair.get("key")): _plain(pair.get("value")) for pair in pairs}
    if "arrayValue" in named:
        return [_plain(item) for item in _objects(at(named["arrayValue"], "values"))]
    return next(iter(named.values()), None)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
