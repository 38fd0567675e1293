"""How fast Sigma rules judge raw CloudTrail records, beside the SQLite backend of pySigma in the same run.

    python benchmarks/rules.py [--rules FOLDER] [--records 100000] [--quick]

The records are an export of a simulated world; the rules are those of the tests, or a folder such as SigmaHQ's
`rules/cloud/aws/cloudtrail`.  Prints records a second of processor time, the best of `ROUNDS`: parsing JSON text alone
(no judging that parses each record can exceed it), judging it (which ends with the rules that match each record),
judging decoded records one rule after the other, SQLite's queries on a table that is already filled, and SQLite with
parsing and filling.  Both engines must find the same records.  With
`--quick`, which is a gate, judging JSON text must be at least `FLOOR` times as fast as SQLite with filling its table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sqlite3
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

from scopedrift.detectors.adapters.sigma.fields import found
from scopedrift.detectors.adapters.sigma.judge import Judge
from scopedrift.detectors.adapters.sigma.ruleset import Ruleset, load_rules
from scopedrift.scenarios.loader import load_text, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.writing.exporter import export_log

RULES = Path(__file__).parent.parent / "tests" / "detectors" / "adapters" / "sigma" / "rules"
WORLD = """
name: rules
horizon: 8d
windows: {baseline: 3d, calibration: 1d}
organisation: {projects: 4, tenants: 2}
workloads: {serverless: {functions: 20}, training: {pipelines: 4}, runners: {tenants: 2}}
incidents: [{attack: eight-minute-intrusion, count: 2}]
"""
ROUNDS = 3
FLOOR = 1.5


def exported(count: int) -> list[bytes]:
    """The JSON text of about as many CloudTrail records, as an export writes them."""
    scenario = override(load_text(WORLD), {"load": 0.1 if count <= 20_000 else 1})
    with tempfile.TemporaryDirectory() as folder:
        export_log(simulate(scenario, 1).log, "cloudtrail", Path(folder))
        return [raw for _, _, raw in import_log(Path(folder)).records()][:count]


def timed(work: Callable[[], object]) -> tuple[float, Any]:
    """The processor time of the fastest of some rounds, and what it gave."""
    best, result = float("inf"), None
    for _ in range(ROUNDS):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


class Table:
    """The records in a table of SQLite, a column for each field that a rule tests."""

    def __init__(self, rules: Ruleset, sources: Path) -> None:
        self.fields = sorted({name for rule in rules.rules for name in rule.condition.fields})
        self.database = sqlite3.connect(":memory:")
        self.database.create_function("REGEXP", 2, lambda p, v: v is not None and re.search(p, str(v)) is not None)
        backend = sqliteBackend(collate_nocase=True)
        files = sorted(sources.rglob("*.yml")) if sources.is_dir() else [sources]
        read = [rule for file in files for rule in SigmaCollection.from_yaml(file.read_text())]
        self.queries = {str(rule.title): backend.convert_rule(rule)[0].replace("*", "number", 1) for rule in read}

    def fill(self, records: list[bytes]) -> None:
        """Parse the records into the table, in place of what it had."""
        columns = ", ".join(f'"{name}"' for name in self.fields)
        self.database.execute("DROP TABLE IF EXISTS logs")
        self.database.execute(f"CREATE TABLE logs (number INTEGER, {columns})")
        places = ", ".join("?" * (len(self.fields) + 1))
        self.database.executemany(f"INSERT INTO logs VALUES ({places})", self._rows(records))

    def _rows(self, records: list[bytes]) -> Any:
        steps = [tuple(name.split(".")) for name in self.fields]
        for number, raw in enumerate(records):
            record = json.loads(raw)
            values = [next((v for v in found(record, path) if v is not None), None) for path in steps]
            yield [number, *(json.dumps(v) if isinstance(v, (bool, dict, list)) else v for v in values)]

    def matches(self) -> dict[str, set[int]]:
        """The records that each rule matches."""
        return {title: {row[0] for row in self.database.execute(query)} for title, query in self.queries.items()}


def ours(rules: Ruleset, records: list[bytes]) -> dict[str, set[int]]:
    """The same by the rules of scopedrift."""
    judge = Judge(rules, ())
    matched: dict[str, set[int]] = {rule.title: set() for rule in rules.rules}
    for number, raw in enumerate(records):
        for hit in judge.hits_of("cloudtrail", raw):
            matched[hit.rule.title].add(number)
    return matched


def main() -> int:
    """Time everything, print a table, compare what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=Path, default=RULES)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="fewer records; fails below the floor")
    options = parser.parse_args()
    records = exported(10_000 if options.quick else options.records)
    rules = load_rules(options.rules)
    some = [json.loads(raw) for raw in records[:: max(len(records) // 2_000, 1)]]
    judge = Judge(rules, ())
    table = Table(rules, options.rules)
    with contextlib.closing(table.database):
        filling, _ = timed(lambda: table.fill(records))
        asking, theirs = timed(table.matches)
        parsing, _ = timed(lambda: deque(map(orjson.loads, records), 0))
        judging, found_ = timed(lambda: ours(rules, records))
        plain, _ = timed(lambda: [judge.hits("cloudtrail", record) for record in some])
    count = len(records)
    print(f"{len(rules.rules)} rules, {count} records, records a second of processor time:")
    for what, rate in (
        ("JSON text, parsed alone (orjson)", count / parsing),
        ("JSON text, judged", count / judging),
        ("decoded, one rule after the other", len(some) / plain),
        ("SQLite, queries alone", count / asking),
        ("SQLite, with filling", count / (asking + filling)),
    ):
        print(f"  {what:34} {rate:10,.0f}")
    differing = sorted(title for title in theirs if theirs[title] != found_.get(title, set()))
    print(f"  rules on which both disagree: {', '.join(differing) or 'none'}")
    ratio = (asking + filling) / judging
    print(f"  judging JSON text is {ratio:.1f} times as fast as SQLite with filling (floor with --quick: {FLOOR})")
    return int(bool(differing) or (options.quick and ratio < FLOOR))


if __name__ == "__main__":
    sys.exit(main())
