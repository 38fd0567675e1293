"""Each reader is given mutated and random files for some seconds, in a process whose memory is counted.

`FUZZ` sets the seconds for each (`make torture FUZZ=600`).  What a reader refuses, it refuses with an error of ours.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from scopedrift.detectors import Detector, Knowledge

SECONDS = float(os.environ.get("FUZZ", "5"))
UNHURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
"""As the profile of the tests, which does not reach another process."""
MOST_MIB = 200
"""Memory that reading files of at most 100 kB may take, beside what the reader itself is."""
DATA = Path(__file__).parents[1] / "simulator" / "records" / "reading" / "data"
SCENARIO = b"""name: small
extends: core-week
horizon: 2d
windows: {baseline: 12h, calibration: 12h}
workloads: {serverless: {functions: 3}, training: off}
incidents:
  - {attack: token-theft, count: 2, strength: 0.3}
"""
SUITE = (
    b"name: mine\nscenarios: [tiny]\nvary: {identities.sharing: [0.0, 1.0]}\nseeds: 2\ndetectors: [rate(window=2)]\n"
)
MAPPING = b"columns: {identity: userIdentity.arn, time: eventTime, operation: eventName}\nformat: json\n"
TARGETS = b"targets:\n  audit.denied: {value: 0.9, tolerance: 0.01, source: nowhere}\n"
RULE = b"""title: x
id: 6b8c9a9e-0000-4000-8000-000000000000
logsource: {product: aws, service: cloudtrail}
detection:
  one: {eventName|startswith: [Get, List], eventSource|re: '.*s3.*'}
  two: {userIdentity.arn|contains|all: [a, b]}
  condition: (one and not two) or 1 of t*
level: high
"""
LINES = b"time,user,action\n2024-03-01T00:00:00Z,ann,read\n2024-03-01T00:01:00Z,bob,write\n"

BODY = b'{"scores": [0, 1.5, null, {"score": 2, "reason": "it is new"}, -1e9, 0, NaN, 7]}'
SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
ANSWERS = b'0\n1.5\nnull\n{"score": 2, "reason": "it is new"}\n-1e9\n0\nnan\n7\n'


class Reader(NamedTuple):
    """How a file is read, whole examples, and the errors that say what is wrong with it."""

    read: Callable[[Path], object]
    examples: list[bytes]
    suffix: str
    errors: tuple[type[Exception], ...]


def readers() -> dict[str, Reader]:
    from scopedrift.detectors.spec import SpecError, parse
    from scopedrift.experiments.realism.targets import load as load_targets
    from scopedrift.experiments.realism.traces import targets_from
    from scopedrift.experiments.running.baseline import BaselineError, read_baseline
    from scopedrift.scenarios import load
    from scopedrift.scenarios.documents import ScenarioError
    from scopedrift.scenarios.seeds import parse_seeds
    from scopedrift.scenarios.suite import load_suite
    from scopedrift.simulator.log.storage import LogFormatError
    from scopedrift.simulator.records.errors import LogError
    from scopedrift.simulator.records.reading.importer import import_log
    from scopedrift.simulator.records.reading.mapping import load_mapping

    first = json.loads((DATA / "invictus.json").read_text())["Records"][:3]
    document = json.dumps({"Records": first}).encode()
    lines = b"\n".join(json.dumps(record).encode() for record in first)
    log = (import_log, (LogError,))
    yaml = (ScenarioError,)
    baseline = Path(__file__).parents[1] / "gate" / "quick.yaml"
    return {
        "logs in lines": Reader(log[0], [lines, (DATA / "falco.jsonl").read_bytes()], ".jsonl", log[1]),
        "logs in documents": Reader(log[0], [document], ".json", log[1]),
        "compressed logs": Reader(log[0], [_gzip(lines)], ".json.gz", log[1]),
        "tables of commas": Reader(log[0], [LINES], ".csv", log[1]),
        "Parquet": Reader(log[0], [_parquet()], ".parquet", log[1]),
        "scenarios": Reader(lambda path: load(path).digest(), [SCENARIO], ".yaml", yaml),
        "suites": Reader(lambda path: load_suite(path).digest, [SUITE], ".yaml", yaml),
        "mappings": Reader(load_mapping, [MAPPING], ".yaml", (LogError,)),
        "targets": Reader(load_targets, [TARGETS], ".yaml", yaml),
        "traces": Reader(lambda path: targets_from(path, ["training.duration=user"]), [LINES], ".csv", yaml),
        "baselines": Reader(
            lambda path: read_baseline(path.read_text(errors="replace"), "b.yaml"), [baseline.read_bytes()], ".yaml",
            (*yaml, BaselineError),
        ),
        "rules": Reader(_rules, [RULE], ".yml", (ValueError,)),
        "specifications": Reader(
            lambda path: parse(path.read_text(errors="replace")), [b"a.py:B(c=1, d='x', e=[f(g=2)])"], "", (SpecError,)
        ),
        "answers of services": Reader(_service(), [SIZED, CHUNKED], "", (RuntimeError, ValueError)),
        "answers of programs": Reader(_program, [ANSWERS], "", (RuntimeError, ValueError)),
        "saved logs": Reader(_saved, [_manifest()], ".json", (LogFormatError,)),
        "seeds": Reader(lambda path: parse_seeds(path.read_text(errors="replace")), [b"1,3-9,12"], "", (ValueError,)),
    }  # fmt: skip


NAMES = (
    "logs in lines", "logs in documents", "compressed logs", "tables of commas", "Parquet", "scenarios", "suites",
    "mappings", "targets", "traces", "baselines", "rules", "specifications", "saved logs", "seeds",
    "answers of services", "answers of programs",
)  # fmt: skip


def _rules(path: Path) -> None:
    from scopedrift.detectors.adapters.sigma.detector import Sigma

    Sigma(rules=str(path))


def _service() -> Callable[[Path], object]:
    """Scores eight events by a service that sends what is in the file, and hangs up."""
    from scopedrift.detectors.adapters.http import Http

    listener = socket.create_server(("127.0.0.1", 0))

    def score(path: Path) -> None:
        content = path.read_bytes()

        def answer() -> None:
            with listener.accept()[0] as connection, connection.makefile("rb") as asked, suppress(OSError):
                headers = list(iter(asked.readline, b"\r\n"))
                asked.read(next(int(line[15:]) for line in headers if line.startswith(b"Content-Length:")))
                connection.sendall(content)

        answering = threading.Thread(target=answer)
        answering.start()
        try:
            _scored(Http(url=f"http://127.0.0.1:{listener.getsockname()[1]}/", history=False))
        finally:
            answering.join()

    return score


def _program(path: Path) -> None:
    from scopedrift.detectors.adapters.program import Program

    _scored(Program(command=f"cat {path}", history=False, restarts=0))


def _scored(detector: Detector) -> None:
    from scopedrift.detectors.conformance.sample import sample_log

    batch = sample_log(8).batch(0, 8)
    detector.fit(batch.slice(0, 0), Knowledge())
    scores = detector.score(batch)
    assert isinstance(scores, np.ndarray) and scores.shape == (8,)


def _manifest() -> bytes:
    from scopedrift.detectors.conformance.sample import sample_log

    sample_log(50).save(Path("saved"))
    return (Path("saved") / "manifest.json").read_bytes()


def _saved(path: Path) -> None:
    from scopedrift.simulator.log.event_log import EventLog

    path.replace(Path("saved") / "manifest.json")
    EventLog.load(Path("saved")).frame()


def _gzip(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, mtime=0)


def _parquet() -> bytes:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"eventTime": ["2024-03-01T00:00:00Z"], "eventName": ["Get"]}), file)
    return file.getvalue()


@st.composite
def mutated(draw: Any, examples: list[bytes]) -> bytes:
    """An example with parts that were cut, doubled, replaced or swapped; now and then anything."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=2_000))  # type: ignore[no-any-return]
    content = bytearray(draw(st.sampled_from(examples)))
    marks = st.sampled_from(
        [b'"', b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\\", b"&a ", b"*a", b"- ", b"\x00", b"\xff"]
    )
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, max(len(content) - 1, 0)))
        part = content[start : start + draw(st.integers(0, 80))]
        new = draw(st.binary(max_size=8) | marks | st.just(b"") | st.integers(2, 60).map(lambda n: bytes(part) * n))  # noqa: B023
        content[start : start + len(part)] = new
    return bytes(content[:100_000])


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10 if sys.platform == "linux" else 1 << 20)


def main(name: str, seconds: float) -> None:
    """Reads for some seconds; prints how many files, and what memory that took."""
    count, number = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        reader = readers()[name]
        path = Path(folder) / f"given{reader.suffix}"

        def once(content: bytes) -> None:
            nonlocal count
            path.write_bytes(content)
            count += 1
            try:
                reader.read(path)
            except reader.errors as error:
                assert str(error) and len(str(error)) < 20_000, f"{len(str(error))} characters of error"

        once(reader.examples[0])
        before, end = peak_mib(), time.monotonic() + seconds
        while number == 0 or time.monotonic() < end:
            quiet = settings(max_examples=50, database=None, **UNHURRIED)
            seed(number)(quiet(given(mutated(reader.examples))(once)))()
            number += 1
    print(json.dumps({"files": count, "mib": round(peak_mib() - before)}))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_reader_survives_noise(name: str, record_property: Callable[[str, object], None]) -> None:
    command = [sys.executable, __file__, name, str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] > 1 and found["mib"] <= MOST_MIB, found
    record_property("files", found["files"])


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
