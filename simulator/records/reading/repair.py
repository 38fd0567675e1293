"""Strict JSON of records that are not quite: bytes that are no UTF-8, numbers that JSON lacks, wrong types."""

from __future__ import annotations

import json
import math
from typing import Final

import msgspec

from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, decoded
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
        value = lenient(text)
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"), what
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except ValueError:
        raise Unreadable(NOT_JSON) from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | float | None:
    return int(text) if len(text) < 19 else _finite(text)


lenient_decoder: Final = json.JSONDecoder(
    parse_constant=lambda _: None, parse_float=_finite, parse_int=_integer, strict=False
)


def lenient(text: str) -> Json:
    """The value of JSON text in which NaN, infinities, control characters and huge numbers may occur."""
    value: Json = lenient_decoder.decode(text.strip().lstrip("\ufeff"))
    return value


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
