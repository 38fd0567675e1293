"""What a gate compares with: what detectors achieved on a suite, as a YAML file that a repository keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypedDict

from scopedrift.experiments.evaluation.tables import Tables
from scopedrift.scenarios.documents import Problem, ScenarioError, parse, write
from scopedrift.scenarios.seeds import parse_seeds, written

if TYPE_CHECKING:
    import pandas as pd

MARK: Final = "format: scopedrift-gate/"
"""What tells a baseline, of any version, from another file."""
FORMAT: Final = "scopedrift-gate/2"
MOST: Final = 1_000_000
"""False positives of one world that a baseline may hold."""
HEADER: Final = (
    "# What the detectors achieved when this was written; `scopedrift gate SUITE --baseline FILE --update`.\n"
)
Key = tuple[str, str]
"""Scenario and detector."""


class BaselineError(Exception):
    """A baseline that is of another suite, or that cannot be written.  Exit code 2."""


class _RecordFile(TypedDict):
    """A record as the file holds it."""

    incidents: int
    caught: list[str]
    false_positives: list[int]
    days: float


@dataclass(frozen=True)
class Record:
    """What one detector did in one scenario."""

    incidents: int
    caught: frozenset[str]
    """`seed/incident`."""
    false_positives: tuple[int, ...]
    """By world, in the order of the baseline's seeds."""
    days: float
    """Of all worlds together."""


@dataclass(frozen=True)
class Baseline:
    """What detectors did when the baseline was written, by (scenario, detector)."""

    suite: str
    version: int
    worlds: str
    """Digest of the simulated worlds."""
    records: Mapping[Key, Record]
    seeds: tuple[int, ...] = ()
    """The worlds, in order; empty: seeds from 0 on."""

    def text(self) -> str:
        """YAML, one line a fact, that `read_baseline` reads back."""
        scenarios: dict[str, dict[str, Any]] = {}
        for (scenario, detector), record in sorted(self.records.items()):
            scenarios.setdefault(scenario, {})[detector] = {
                "incidents": record.incidents,
                "false_positives": list(record.false_positives),
                "days": record.days,
                "caught": sorted(record.caught, key=lambda name: (world_of(name), name)),
            }
        head = {"format": FORMAT, "suite": self.suite, "suite_version": self.version}
        head |= {**({"seeds": written(self.seeds)} if self.seeds else {}), "worlds": self.worlds}
        return HEADER + write({**head, "scenarios": scenarios})


def world_of(caught: str) -> int:
    """The seed in `seed/incident`."""
    return int(caught.partition("/")[0])


def read_baseline(text: str, source: str) -> Baseline:
    """The baseline that a YAML text holds; `source` names it in messages.

    Raises `ScenarioError` for anything else.
    """
    document = parse(text, source)
    value = document.value
    if value.get("format") != FORMAT:
        raise ScenarioError(document.problem(f"expected a gate's baseline (format: {FORMAT})", ("format",)))
    records = {}
    try:
        seeds = parse_seeds(value["seeds"]) if "seeds" in value else ()
        for scenario, detectors in value["scenarios"].items():
            for detector, given in detectors.items():
                records[scenario, detector] = _record(given, seeds)
        return Baseline(str(value["suite"]), int(value["suite_version"]), str(value["worlds"]), records, seeds)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ScenarioError(Problem(f"{source}: not a complete baseline: {error!r}")) from None


def _record(given: _RecordFile, seeds: tuple[int, ...]) -> Record:
    caught = frozenset(map(str, given["caught"]))
    false = tuple(map(int, given["false_positives"]))
    if any(not 0 <= count <= MOST for count in false):
        raise ValueError(f"expected 0 to {MOST:,} false positives in a world")
    worlds = seeds or range(len(false))
    if len(false) != len(worlds) or any(world_of(name) not in worlds for name in caught):
        raise ValueError(f"expected false positives of each of the {len(worlds)} worlds, and incidents of these only")
    return Record(int(given["incidents"]), caught, false, float(given["days"]))


def measured(
    tables: Tables, suite: str, version: int, detectors: Sequence[str], seeds: tuple[int, ...] = ()
) -> tuple[Baseline, dict[Key, str]]:
    """What a sweep's tables say of some detectors, and the cells that failed, with their reasons.

    Every detector has a record or a failure for every scenario: what is missing has failed.
    """
    cells, incidents = tables["cells"], tables["incidents"]
    records: dict[Key, Record] = {}
    failed: dict[Key, str] = {}
    for (scenario, detector), mine in cells[cells["detector"].isin(detectors)].groupby(["scenario", "detector"]):
        broken = mine[mine["status"] == "failed"]
        if len(broken):
            failed[str(scenario), str(detector)] = (
                f"failed in {len(broken)} of {len(mine)} worlds: {broken['reason'].iloc[0]}"
            )
            continue
        mine = mine.sort_values("seed")
        wanted = sorted(seeds) or list(range(len(mine)))
        if mine["seed"].tolist() != wanted:
            failed[str(scenario), str(detector)] = f"expected the worlds {written(wanted)}, each once"
            continue
        own = incidents[(incidents["scenario"] == scenario) & (incidents["detector"] == detector)]
        caught = own[own["detected"].astype(bool)]
        records[str(scenario), str(detector)] = Record(
            incidents=int(mine["incidents"].sum()),
            caught=frozenset(f"{s}/{i}" for s, i in zip(caught["seed"], caught["incident"], strict=True)),
            false_positives=tuple(mine["false_positives"].astype(int).tolist()),
            days=float(mine["test_days"].sum()),
        )
    for key in product(cells["scenario"].unique().tolist(), detectors):
        if key not in records:
            failed.setdefault(key, "gave no result")
    return Baseline(suite, version, worlds_digest(tables["worlds"]), records, tuple(sorted(seeds))), failed


def worlds_digest(worlds: pd.DataFrame) -> str:
    """One digest for all simulated worlds of a sweep."""
    rows = sorted(zip(worlds["scenario"], worlds["seed"], worlds["digest"], strict=True))
    return hashlib.sha256(repr([(s, int(seed), d) for s, seed, d in rows]).encode()).hexdigest()[:32]
