"""Hostile logs cost time in proportion to their length: twice as long takes about twice as long."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading import sources
from scopedrift.simulator.records.reading.importer import import_log

SIZE = 1_000
TIMES = 8
"""How much longer the long one is."""
LEAST = 0.05
"""Seconds: a shorter time is mostly noise, and is not compared."""
LOOSE = 3.0
"""Times 8 that a cost in proportion may take on a busy machine; one that grows with the square takes 8 times that."""


def joined(piece: bytes, by: bytes = b"\n") -> Callable[[int], bytes]:
    return lambda n: by.join([piece] * n)


FAMILIES: dict[str, Callable[[int], bytes]] = {
    "lines of braces": joined(b"{" * 100),
    "lines of closing braces": joined(b"}" * 100),
    "lines of brackets": joined(b"[" * 100),
    "lines of quotes": joined(b'"' * 101),
    "lines that are not JSON": joined(b'{"a": nope}'),
    "lines with open strings": joined(b'{"a": "b'),
    "lines with open objects": joined(b'{"a": {"b": 1}'),
    "lines that end in escapes": joined(b'{"a": "\\'),
    "lines of key and colon": joined(b'{"a":'),
    "lines of records cut short": joined(b'{"Records":[{"eventID":"x"'),
    "open object, then lines": lambda n: b"{\n" + joined(b'{"a": 1}')(n),
    "open array, then lines": lambda n: b"[\n" + joined(b'{"a": 1}')(n),
    "open string, then lines": lambda n: b'{"a": "\n' + joined(b'{"a": 1}')(n),
    "values that are not JSON, glued": joined(b'{"a": nope}', b""),
    "open values, glued": joined(b'{"a": "b', b""),
    "an array of what is not JSON": lambda n: b"[" + joined(b'{"a": nope}', b",")(n) + b"]",
    "an open array of what is not JSON": lambda n: b"[" + joined(b'{"a": nope}', b",")(n),
    "records that are not JSON": lambda n: b'{"Records":[' + joined(b'{"eventID": "x", oops}', b",")(n) + b"]}",
    "records within records": lambda n: b'{"Records":[' * n,
    "nested arrays": lambda n: b"[" * (20 * n),
    "nested objects": lambda n: b'{"a":' * (20 * n),
    "arrays of objects, nested": lambda n: b"[{" * (20 * n),
    "commas": lambda n: b"[" + b"," * (100 * n),
    "empty lines": lambda n: b"\n" * (100 * n) + b"{}",
    "spaces in an object": lambda n: b"{" + b" " * (100 * n) + b"x",
    "one long string": lambda n: b'{"a": "' + b"x" * (100 * n) + b'"}',
    "one open string": lambda n: b'{"a": "' + b"x" * (100 * n),
    "escapes": lambda n: b'{"a": "' + b'\\"' * (50 * n),
    "one object of many keys": lambda n: json.dumps({f"k{i}": i for i in range(10 * n)}).encode(),
    "an array of one object of many keys": lambda n: json.dumps([{f"k{i}": i for i in range(10 * n)}]).encode(),
    "keys without a colon": lambda n: b"[{" + b'"a" 1,' * (10 * n),
    "words": lambda n: b"nope " * (20 * n),
    "long numbers": joined(b'{"a": ' + b"9" * 200 + b"}"),
    "parts of container lines": joined(b'2024-01-01T00:00:00Z stdout P {"a":'),
    "messages of braces": lambda n: json.dumps(
        {"messageType": "DATA_MESSAGE", "logEvents": [{"message": "{" * 100}] * n}
    ).encode(),
    "NUL bytes, then text": lambda n: b"\0" * (100 * n) + b'{"a": 1}',
    "bytes that are not text": joined(b'{"a": "\xff\xfe"}'),
    "many columns": lambda n: b"time," + b",".join(b"c%d" % i for i in range(n)) + b"\n1\n",
    "many quotes": lambda n: b"time,user\n" + b'"' * (100 * n),
    "many short rows": lambda n: b"time,user\n" + b"1\n" * (50 * n),
}


def cost(path: Path, content: bytes) -> float:
    """Processor time of reading a file (seconds), the least of two."""
    path.write_bytes(content)
    spent = []
    for _ in range(2):
        began = time.process_time()
        with pytest.raises(LogError):
            import_log(path)
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_time_grows_with_the_length_alone(tmp_path, family):
    made = FAMILIES[family]
    suffix = ".csv" if "column" in family or "row" in family or family == "many quotes" else ".json"
    size = SIZE
    short = cost(tmp_path / f"a{suffix}", made(size))
    while short < LEAST and size < 64 * SIZE:
        size *= 2
        short = cost(tmp_path / f"a{suffix}", made(size))
    assert cost(tmp_path / f"b{suffix}", made(TIMES * size)) < LOOSE * TIMES * max(short, LEAST)


def test_a_gzip_bomb_is_left_when_it_is_recognised(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_UNPACKED", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}' + b" " * (8 << 20)))
    source = sources.Source(path)
    assert sum(map(len, source.pieces())) <= 5 << 20
    assert source.problem is not None and "unpacks to over 500 times its size" in source.problem
