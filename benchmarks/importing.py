"""How fast and in how much memory real audit records become an `EventLog`, against parsing the same file alone.

    python benchmarks/importing.py [--records 200000] [--sample FILE_OR_FOLDER]... [--large GIB]

The file is JSON lines made of sample records (the test data by default), each with its own ids, its time, and,
as often as in a real trail (45 %), request parameters that no other record has; sessions change every 200
records.  Prints microseconds of processor time a record (the best of `ROUNDS`, in turns) for `json.loads` of each
line, for msgspec decoding everything, for orjson if it is installed, for the floor, and for `import_log`.  The floor
is what no import on one core can go below: the lines, and msgspec decoding no more than the fields that events need.
`--large` writes a file of that many GiB and reports the peak memory.

The same records are then read as CloudTrail delivers them, files of 1,000 records in one object, against parsing
each of those files at once.

Measured with Python 3.11 on two cores of a cloud machine: see the README beside this file.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from scopedrift.simulator.records.reading.cloudtrail import CloudTrailRecord
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.sources import Source, find_files
from scopedrift.simulator.records.reading.splitting import values
from scopedrift.simulator.records.reading.wrappers import unwrap

DATA = Path(__file__).parent.parent / "tests" / "simulator" / "records" / "reading" / "data"
DISTINCT = 0.45
SESSION = 200
ROUNDS = 5


def records(paths: list[Path]) -> list[dict[str, Any]]:
    """All sample records."""
    found = []
    for file in find_files(paths)[0]:
        for _, _, raw, _ in values(Source(file)):
            found += [msgspec.json.decode(part) for part in unwrap(raw) or [raw]]
    return [record for record in found if "eventName" in record]


def lines(samples: list[dict[str, Any]]) -> Iterator[bytes]:
    """An endless log like the samples: their shapes in random order, at two a second."""
    draw = random.Random(1)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    number = 0
    while True:
        record = dict(draw.choice(samples))
        moment = start + timedelta(seconds=number // 2)
        record["eventTime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        record["eventID"] = record["requestID"] = f"{draw.getrandbits(128):032x}"
        who = dict(record["userIdentity"])
        if "sessionContext" in who:
            who["accessKeyId"] = f"ASIA{number // SESSION:016d}"
            record["userIdentity"] = who
        if record.get("requestParameters") and draw.random() < DISTINCT:
            record["requestParameters"] = {**record["requestParameters"], "clientToken": record["eventID"]}
        yield json.dumps(record, separators=(",", ":")).encode()
        number += 1


def seconds(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Processor time of each, the best of several rounds, in turns: what else the machine does meets all alike."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - start)
    return best


def parse(path: Path, loads: Callable[[bytes], object]) -> None:
    """Parse each line and forget it."""
    with path.open("rb") as file:
        for line in file:
            loads(line)


def parse_each(files: list[Path], loads: Callable[[bytes], object]) -> None:
    """Parse each file and forget it."""
    for file in files:
        loads(file.read_bytes())


def deliver(path: Path, folder: Path) -> list[Path]:
    """The lines of a file as files of 1,000 records, in one object each."""
    folder.mkdir()
    files = []
    with path.open("rb") as file:
        while some := [line.rstrip() for line in islice(file, 1_000)]:
            files.append(folder / f"{len(files):06}.json")
            files[-1].write_bytes(b'{"Records":[' + b",".join(some) + b"]}")
    return files


def show(times: Mapping[str, float], records: int, size: int) -> None:
    """A line for each work, the last of them against all others."""
    ours = times["import_log"]
    for name, took in times.items():
        share = ", ".join(f"{times[other] / ours:.2f} of {other}" for other in times if other not in ("floor", name))
        told = share if name == "import_log" else ""
        print(f"  {name:13} {took / records * 1e6:6.2f} us/record {size / took / 1e6:7.0f} MB/s  {told}".rstrip())


def main() -> None:
    """Write the file, time everything, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--sample", type=Path, action="append", help="CloudTrail files or folders to imitate")
    parser.add_argument("--large", type=float, default=0.0, help="also import a file of this many GiB")
    options = parser.parse_args()
    samples = records(options.sample or [DATA])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trail.jsonl")
        source = lines(samples)
        with path.open("wb") as file:
            for _ in range(options.records):
                file.write(next(source) + b"\n")
        parsers: dict[str, Callable[[bytes], object]] = {"json.loads": json.loads, "msgspec, all": msgspec.json.decode}
        try:
            import orjson

            parsers["orjson.loads"] = orjson.loads
        except ImportError:
            pass
        works: dict[str, Callable[[], object]] = {
            name: lambda loads=loads: parse(path, loads) for name, loads in parsers.items()
        }
        works["floor"] = lambda: parse(path, msgspec.json.Decoder(CloudTrailRecord).decode)
        works["import_log"] = lambda: import_log(path)
        print(f"{options.records} records, {len(samples)} sample records, as JSON lines:")
        show(seconds(works), options.records, path.stat().st_size)
        delivered = deliver(path, Path(folder, "delivered"))
        works = {name: lambda loads=loads: parse_each(delivered, loads) for name, loads in parsers.items()}
        works["import_log"] = lambda: import_log(delivered)
        print(f"the same in {len(delivered)} files, as CloudTrail delivers them:")
        show(seconds(works), options.records, sum(file.stat().st_size for file in delivered))
        if options.large:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with path.open("ab") as file:
                while file.tell() < options.large * 2**30:
                    file.write(b"".join(next(source) + b"\n" for _ in range(10_000)))
            start = time.perf_counter()
            log = import_log(path).log
            took, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"{path.stat().st_size / 2**30:.2f} GiB: {len(log)} events in {took:.0f} s, peak {peak / 1024:.0f} MiB"
            )
            print(f"(peak before it: {before / 1024:.0f} MiB)")


if __name__ == "__main__":
    main()
