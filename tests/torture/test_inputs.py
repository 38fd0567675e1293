"""Hostile files: each is read as far as it can be, or refused in a few plain words, and leaves nothing half-written."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECORD = {
    "eventVersion": "1.08",
    "eventTime": "2024-03-01T00:00:00Z",
    "eventID": "1",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "sourceIPAddress": "192.0.2.7",
    "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/train/i-0"},
}
STEER = "\x1b]0;owned\x07\x1b[2J\u202e=cmd|' /C calc'!A0"


def records(**changed: object) -> bytes:
    """Forty records, each with these fields changed."""
    times = [f"2024-03-01T{i // 6:02d}:{i % 6}0:00Z" for i in range(40)]
    lines = [json.dumps({**RECORD, "eventTime": at, "eventID": str(i), **changed}) for i, at in enumerate(times)]
    return "\n".join(lines).encode()


def within(text: str) -> bytes:
    """A small scenario with more keys."""
    return f"name: small\nhorizon: 2d\nwindows: {{baseline: 12h, calibration: 12h}}\n{text}\n".encode()


LOGS: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t\r\n" * 1000,
    "NULs": b"\0" * 100_000,
    "noise": bytes(range(256)) * 400,
    "one brace": b"{",
    "braces": b"{" * 100_000,
    "brackets and braces": b"[{" * 100_000,
    "a number": b"17",
    "a number without end": b"9" * 1_000_000,
    "a text": b'"x"',
    "null": b"null",
    "UTF-16": records().decode().encode("utf-16"),
    "UTF-32": records().decode().encode("utf-32"),
    "another code page": records(sourceIPAddress="\u00e9").decode().encode("latin-1", "backslashreplace"),
    "a mark of byte order": b"\xef\xbb\xbf" + records(),
    "carriage returns": records().replace(b"\n", b"\r"),
    "line separators": records().replace(b"\n", "\u2028".encode()),
    "names that steer terminals": records(userIdentity={"type": STEER, "arn": STEER}, eventName=STEER),
    "names that are formulas": records(eventName="=1+1", userIdentity={"arn": "@SUM(A1)"}, sourceIPAddress="+1"),
    "names that are markup": records(eventName="<script>alert(1)</script>", userIdentity={"arn": "<img src=x>"}),
    "names of a million characters": records(eventName="x" * 1_000_000)[:8_000_000],
    "halves of a pair": records(eventName="\ud800").replace(b"\\\\ud800", b"\\ud800"),
    "numbers for names": records(eventName=7, eventSource=[1], userIdentity={"arn": {}}),
    "lists for everything": records(**{name: [[]] for name in RECORD}),
    "nulls for everything": records(**dict.fromkeys(RECORD, None)),
    "times before the epoch": records(eventTime="0001-01-01T00:00:00Z"),
    "times after all": records(eventTime="9999-12-31T23:59:59Z"),
    "times that are none": records(eventTime="yesterday"),
    "times without end": records(eventTime=10**400),
    "one time for all": records(eventTime="2024-03-01T00:00:00Z"),
    "the same record": b"\n".join([json.dumps(RECORD).encode()] * 5000),
    "a record within records": b'{"Records":[' * 2000 + json.dumps(RECORD).encode() + b"]}" * 2000,
    "a gzip that is none": b"\x1f\x8b\x08" + b"x" * 1000,
    "half a gzip": gzip.compress(records())[:-40],
    "a gzip of zeros": gzip.compress(b"\0" * 50_000_000),
    "a gzip in a gzip": gzip.compress(gzip.compress(records())),
    "bzip2": bz2.compress(records()),
    "a program": b"\x7fELF" + bytes(5000),
    "a pickle": b"\x80\x04\x95" + b"cos\nsystem\n(S'touch owned'\ntR.",
    "half a Parquet file": b"PAR1" + bytes(2000) + b"PAR1",
    "keys twice": b'{"eventName": "a", "eventName": "b", "eventTime": "2024-03-01T00:00:00Z"}\n' * 50,
    "comments": b"# comment\n// another\n" + records(),
}
SCENARIOS: dict[str, bytes] = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "a list": b"- a\n- b\n",
    "an object of Python": b"!!python/object/apply:os.system ['touch owned']",
    "an unknown tag": within("description: !include /etc/passwd"),
    "aliases without end": b"a: &a [x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (i, i) for i in range(2000)),
    "laughs": b"a: &a [l]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b"*%c," % (97 + i) * 9) for i in range(9)),
    "an alias of itself": b"a: &a [*a]\nname: small\n",
    "unknown keys": within("\n".join(f"k{i}: {i}" for i in range(5000))),
    "a key twice": within("horizon: 3d"),
    "tabs": b"name:\tsmall\n\thorizon: 2d\n",
    "nested without end": within("workloads: " + "[" * 5000),
    "blocks without end": b"\n".join(b" " * i + b"a:" for i in range(1500)),
    "a text without end": within("description: " + "x" * 3_000_000),
    "itself": within("extends: ./hostile.yaml"),
    "another folder": within("extends: ../../../../etc/passwd"),
    "a device": within("extends: /dev/zero"),
    "no end of time": within("horizon: 999999999999999d"),
    "negative time": within("horizon: -3d"),
    "infinite": within("evaluation: {alert_budget: .inf}"),
    "not a number": within("identities: {sharing: .nan}"),
    "too many": within("workloads: {serverless: {functions: 999999999999}}"),
    "names that steer terminals": json.dumps({"name": STEER, "horizon": "2d"}).encode(),
    "a path for a name": within("").replace(b"small", b"../../owned"),
    "another type": within("windows: 7"),
    "NULs": within("description: \0\0"),
    "surrogates": within('description: "\\ud800"'),
    "an unknown incident": within("incidents: [{attack: nosuch, count: 1}]"),
    "no end of incidents": within("incidents: [{attack: token-theft, count: 99999999999}]"),
    "a merge key": b"<<: &a {name: small}\nhorizon: 2d\n",
}
MAPPINGS: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[1, 2]",
    "unknown keys": b"columns: {nosuch: a}\n",
    "paths without end": b"columns: {identity: " + b"a." * 50_000 + b"a, time: t}\n",
    "a path of brackets": b"columns: {identity: 'a[[[[', time: eventTime}\n",
    "an object of Python": b"columns: !!python/name:os.system\n",
    "numbers": b"columns: {identity: 1, time: 2}\n",
    "a pattern that backtracks": b"columns: {identity: '(a+)+$', time: eventTime}\n",
    "surrogates": b'columns: {identity: "\\ud800", time: eventTime}\n',
}
RULES: dict[str, bytes] = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "no detection": b"title: x\nlogsource: {product: aws}\n",
    "a pattern that backtracks": b"title: x\nlogsource: {product: aws}\ndetection: {a: {'eventName|re': '(a+)+$'},"
    b" condition: a}\n",
    "a pattern that is none": b"title: x\nlogsource: {product: aws}\ndetection: {a: {'eventName|re': '('},"
    b" condition: a}\n",
    "a condition without end": b"title: x\nlogsource: {product: aws}\ndetection: {a: {b: c}, condition: "
    + b"not " * 3000
    + b"a}\n",
    "brackets without end": b"title: x\nlogsource: {product: aws}\ndetection: {a: {b: c}, condition: "
    + b"(" * 3000
    + b"a"
    + b")" * 3000
    + b"}\n",
    "an object of Python": b"!!python/object/apply:os.system ['touch owned']",
    "names that steer terminals": json.dumps(
        {"title": STEER, "logsource": {"product": "aws"}, "detection": {"a": {"eventName": "*"}, "condition": "a"}}
    ).encode(),
    "stars": b"title: x\nlogsource: {product: aws}\ndetection: {a: {eventName: '"
    + b"*a" * 2000
    + b"'}, condition: a}\n",
}
ANSWERS: dict[str, bytes] = {
    "nothing": b"true",
    "noise": b"head -c 100000 /dev/urandom",
    "a flood": b"yes 1",
    "words": b"while read line; do echo high; done",
    "not JSON": b"while read line; do echo '{\"score\":'; done",
    "objects without end": b"while read line; do echo '[[[[[[[['; done",
    "NaN": b"while read line; do echo NaN; done",
    "one line for all": b"read line; echo 1; cat > /dev/null",
    "an end": b"read line; exit 0",
    "a signal": b"read line; kill -9 $$",
    "steering": b"printf '\\033[2J' >&2; exit 3",
    "a text without end": b"head -c 50000000 /dev/zero",
}
OTHERS: dict[str, tuple[list[str], bytes]] = {
    "a baseline that is none": (["gate", "suite.yaml", "--baseline", "hostile", "--out", "out"], b"a: [1"),
    "a baseline of objects": (["gate", "suite.yaml", "--baseline", "hostile", "--out", "out"], b"!!python/name:os.x\n"),
    "targets that are none": (["realism", "scenario.yaml", "--targets", "hostile", "--out", "out"], b"targets: 7"),
    "a trace that is none": (
        ["realism", "scenario.yaml", "--trace", "hostile", "--map", "training.duration=a", "--out", "out"],
        b"a\0,b\n1,2",
    ),
    "a secret that is short": (["simulate", "tiny", "--seed", "0", "--out", "hostile"], b"x"),
    "a seal": (["run", "scenario.yaml", "--seal", "hostile", "--out", "out", "--no-track"], b"x" * 5),
    "a suite that is none": (["sweep", "hostile", "--out", "out", "--no-track"], b"name: x\nseeds: 1\n"),
    "a detector that is none": (["run", "scenario.yaml", "--detector", "./hostile.py", "--out", "out"], b"def ("),
}  # fmt: skip
SCORE = ["score", "hostile.json", "--detector", "rate", "--out", "out"]
WAYS: dict[str, tuple[list[str], str, dict[str, bytes]]] = {
    "log": (SCORE, "hostile.json", LOGS),
    "scenario": (["simulate", "hostile.yaml", "--out", "out"], "hostile.yaml", SCENARIOS),
    "mapping": ([*SCORE[:1], "records.json", "--mapping", "hostile.yaml", *SCORE[2:]], "hostile.yaml", MAPPINGS),
    "rule": ([*SCORE[:1], "records.json", "--detector", "sigma(rules=rules)", "--out", "out"], "rules/x.yml", RULES),
    "answer": (
        ["run", "scenario.yaml", "--seeds", "1", "--no-track", "--out", "out",
         "--detector", "program(command=sh hostile.sh, timeout=5)"], "hostile.sh", ANSWERS,
    ),
}  # fmt: skip
CASES = [
    pytest.param(command, name, content, id=f"{way}-{what}")
    for way, (command, name, cases) in WAYS.items()
    for what, content in cases.items()
] + [
    pytest.param(command, next(w for w in command if "hostile" in w).removeprefix("./"), content, id=f"other-{what}")
    for what, (command, content) in OTHERS.items()
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "records.json").write_bytes(records())
    (tmp_path / "scenario.yaml").write_bytes(within("workloads: {serverless: {functions: 3}}"))
    (tmp_path / "suite.yaml").write_text("name: mine\nscenarios: [scenario.yaml]\nseeds: 2\ndetectors: [rate]\n")
    return tmp_path


@pytest.mark.parametrize(("command", "name", "content"), CASES)
def test_a_hostile_file(
    folder: Path, scopedrift: Callable[..., Any], command: list[str], name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    before = {path.relative_to(folder) for path in folder.rglob("*")}
    done = scopedrift(*command)
    said = done.out + done.err
    assert done.code in (0, 1, 2) and "Traceback" not in said, said[-3000:]
    assert not set(said) & {"\x1b", "\x07", "\x9b", "\u202e", "\0"}
    assert len(done.err) < 12_000 and max(map(len, done.err.splitlines()), default=0) < 2_000
    left = {path.relative_to(folder) for path in folder.rglob("*")} - before
    assert not [path for path in left if path.suffix == ".part" or path.name == "owned"]
    if done.code == 2:
        assert done.err.splitlines()[-1].strip() and not {path for path in left if path.parts[0] == "out"}
    elif done.code == 0:
        assert (folder / "out").exists()
    for path in folder.rglob("*.csv"):
        cells = path.read_text().replace("\n", ",").split(",")
        assert not [cell for cell in cells if cell.startswith(("=", "@", "\t"))]
    assert (folder / name).read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and links are those of POSIX")
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to itself", "no rights", "no such file"])
@pytest.mark.parametrize(
    "command", [SCORE, WAYS["scenario"][0], ["sweep", "hostile.yaml", "--no-track"]], ids=lambda c: c[0]
)
def test_what_is_no_file(folder: Path, scopedrift: Callable[..., Any], command: list[str], kind: str) -> None:
    path = folder / command[1]
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "no rights":
        shutil.copyfile(folder / "records.json", path)
        path.chmod(0)
    done = scopedrift(*command)
    assert "Traceback" not in done.err
    readable = kind == "no rights" and os.geteuid() == 0
    assert readable or (done.code == 2 and not (folder / "out").exists())
