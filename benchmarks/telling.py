"""Whether exported records can be told from real ones by their form alone: a classifier two-sample test a format.

    scopedrift simulate core --seed 1 --out world; scopedrift export world --format cloudtrail --out exported
    python benchmarks/telling.py REAL exported --format cloudtrail

Gradient boosting learns to tell the records below REAL from those that were exported.  Its features have no
scale and know no names: for each path in a record whether the field is there, what type it has, what form its text has
(a UUID, capitals, an address, ...) and how long it is.  AUC 0.5 means that the records cannot be
told apart, 1.0 that each can.  Real logs come from other platforms, where others do other things, so that `same` counts
only what both have: as many records of each operation and kind of principal from either.  The features are those that
tell most by themselves.  One that is about a name tells two organisations apart, which is no fault; one that is about a
field or a form may be a fault of the writer.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import Array
from scopedrift.simulator.records.formats import format_named
from scopedrift.simulator.records.json_paths import Json, Record, at
from scopedrift.simulator.records.reading.reader import Layout, Reader, whole
from scopedrift.simulator.records.reading.row_builder import RowBuilder
from scopedrift.simulator.records.reading.sources import Source, find_files

FORMS: Final = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "digits": re.compile(r"\d+"),
    "hexadecimal": re.compile(r"[0-9a-f]+"),
    "capitals": re.compile(r"[A-Z0-9]+"),
    "address": re.compile(r"\d+\.\d+\.\d+\.\d+"),
    "arn": re.compile(r"arn:.*", re.DOTALL),
    "time": re.compile(r"\d{4}-\d\d-\d\dT.*"),
    "word": re.compile(r"[A-Za-z]+"),
    "line": re.compile(r"[^\x00-\x1f]*"),
}
"""Forms of a text, by number: the first that all of it has."""
TYPES: Final = {type(None): 0, bool: 1, int: 2, float: 2, str: 3}
KINDS: Final = {
    "cloudtrail": ("eventSource", "eventName", "userIdentity.type"),
    "kubernetes": ("verb", "objectRef.resource", "objectRef.subresource"),
    "gcp": ("protoPayload.methodName",),
    "ocsf": ("class_uid", "api.operation", "actor.user.type"),
}
"""The paths that say what was done, and by what kind of principal."""
FOLDS: Final = 5
LEAST: Final = 0.01
"""The share of the records of either log that a path is in at least to be a feature."""
MOST: Final = 1_000
"""Records of a log that are compared."""
BEST: Final = 5
LENGTH: Final = " length"


@dataclass(frozen=True)
class Telling:
    """How well the records of two logs are told apart, and by what."""

    auc: float
    features: list[tuple[str, float]]
    """The best features, with the AUC that each has alone."""
    records: int


def flat(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """What a record holds, by path; all elements of a list have one path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, f"{path}[]")
    else:
        yield path, value


def features(record: Record, lengths: bool = True) -> dict[str, float]:
    """What is compared of a record."""
    found: dict[str, float] = {}
    for path, value in flat(record):
        found[f"{path} type"] = TYPES[type(value)]
        if isinstance(value, str):
            found[f"{path} form"] = next((at for at, form in enumerate(FORMS.values()) if form.fullmatch(value)), -1)
            if lengths:
                found[path + LENGTH] = len(value)
    return found


def tell(real: Sequence[Record], exported: Sequence[Record], lengths: bool = True) -> Telling:
    """How well gradient boosting tells two lists of records apart, in parts that it has not seen, and by what."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    rows = [features(record, lengths) for record in (*real, *exported)]
    label = np.repeat([0, 1], [len(real), len(exported)])
    counts = [Counter(name for row in part for name in row) for part in (rows[: len(real)], rows[len(real) :])]
    names = sorted(
        {name for found in counts for name, n in found.items() if n >= LEAST * min(len(real), len(exported))}
    )
    table = np.array([[row.get(name, -2.0) for name in names] for row in rows])
    score = np.zeros(len(rows))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(table, label):
        model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(table[train], label[train])
        score[test] = model.predict_proba(table[test])[:, 1]
    alone = {name: _alone(table[:, at], label) for at, name in enumerate(names)}
    best = sorted(alone.items(), key=lambda item: -item[1])[:BEST]
    return Telling(float(roc_auc_score(label, score)), best, len(rows))


def _alone(values: Array, label: Array) -> float:
    """The AUC of one feature, each value of which says how likely a record is to be exported."""
    from sklearn.metrics import roc_auc_score

    _, codes = np.unique(values, return_inverse=True)
    share = np.bincount(codes, label) / np.bincount(codes)
    return float(roc_auc_score(label, share[codes]))


def matched(real: Sequence[Record], exported: Sequence[Record], kinds: Sequence[str]) -> tuple[list[Record], ...]:
    """As many records of each kind from either."""
    parts: list[dict[tuple[Json, ...], list[Record]]] = [defaultdict(list), defaultdict(list)]
    for part, records in zip(parts, (real, exported), strict=True):
        for record in records:
            part[tuple(str(at(record, path)) for path in kinds)].append(record)
    chosen: tuple[list[Record], list[Record]] = ([], [])
    for kind in sorted(parts[0].keys() & parts[1].keys(), key=str):
        size = min(len(part[kind]) for part in parts)
        for kept, part in zip(chosen, parts, strict=True):
            kept += part[kind][:size]
    return chosen


def records_of(folder: Path, format: str) -> list[Record]:
    """The records of a format below a folder, in any order."""
    reader = Reader([format_named(format).mapper(RowBuilder())], Layout())
    found: list[Record] = []
    for file in find_files([folder])[0]:
        for _, _, raw, _ in reader.layout.values(Source(Path(str(file)))):
            found += [record for leaf in reader.leaves(raw) if leaf.row and (record := whole(leaf.raw))]
    random.Random(0).shuffle(found)
    return found


def main() -> None:
    """Print how well each comparison tells, and by what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("--format", choices=KINDS, required=True)
    parser.add_argument("exported", type=Path, help="What `scopedrift export` wrote.")
    given = parser.parse_args()
    real, exported = (records_of(folder, given.format) for folder in (given.real, given.exported))
    compared = {"all": (real[:MOST], exported[:MOST]), "same": matched(real, exported, KINDS[given.format])}
    for name, (left, right) in compared.items():
        if min(len(left), len(right)) < FOLDS:
            print(f"{given.format} {name}: too few records of both logs")
            continue
        for lengths in (True, False):
            told = tell(left[:MOST], right[:MOST], lengths)
            what = f"{given.format} {name}{'' if lengths else ', without lengths'}"
            print(f"{what}: AUC {told.auc:.3f}, {told.records} records")
            for feature, auc in told.features:
                print(f"    {auc:.3f} {feature}")


if __name__ == "__main__":
    main()
