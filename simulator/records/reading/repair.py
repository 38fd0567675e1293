"""Strict JSON of records that are not quite: bytes that are no UTF-8, numbers that JSON lacks, wrong types."""

from __future__ import annotations

import msgspec

from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, decoded, lenient, strict
from scopedrift.simulator.records.reading.splitting import NOT_JSON, TOO_DEEP


def repaired(raw: bytes) -> tuple[bytes, str]:
    """Strict JSON from an almost valid record, and what was wrong with it.

    Raises `Unreadable` if it is not JSON by any reading.
    """
    what = "a number or text that JSON does not allow was replaced"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text, what = raw.decode("utf-8", "replace"), "bytes that are not UTF-8 were replaced"
    try:
        return strict(lenient(text)), what
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except ValueError:
        raise Unreadable(NOT_JSON) from None


def fitted(raw: bytes, shape: type[msgspec.Struct] | None) -> tuple[bytes, bool]:
    """The record without those top-level fields that do not have the type that `shape` says; whether there are any.

    A field that holds its value as JSON text is read.  Raises `Unreadable` if the record is not an object.
    """
    record = msgspec.json.decode(raw)
    if not isinstance(record, dict):
        raise Unreadable("not a JSON object")
    names = {item.encode_name: item.type for item in msgspec.structs.fields(shape)} if shape else {}
    wrong = {name for name, kind in names.items() if name in record and not _fits(record[name], kind)}
    told = {name: value for name in wrong if (value := decoded(record[name])) is not None and _fits(value, names[name])}
    return msgspec.json.encode({**record, **dict.fromkeys(wrong), **told}), bool(wrong - set(told))


def _fits(value: Json, kind: object) -> bool:
    if kind is msgspec.Raw:
        return True
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
