"""A user's own trace as targets: a CSV file and which of its columns is which statistic's sample.

`training.duration=run_s` takes the sample of a statistic from a column; a statistic whose sample has two columns
takes two, joined by a plus: `serverless.gap_cv=app+start`.  `training.completed=status:Pass` is true where the column
`status` holds `Pass`.  Times are numbers of seconds since 1970 or ISO 8601 text.
The distance and the tolerance are the library's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.statistic import LEAST, Statistic, Value, measure
from scopedrift.experiments.realism.targets import Target, load
from scopedrift.scenarios.documents import Problem, ScenarioError, suggestion

if TYPE_CHECKING:
    import pandas as pd

ANCHORS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
MONDAY_S: Final = 4 * 86_400
TEXTS: Final = ("tool", "session", "function", "client", "account", "action", "object", "operation", "pipeline")
"""Columns of a sample that name something; the others are numbers or times."""


def targets_from(path: Path, mapping: Sequence[str]) -> dict[str, Target]:
    """The targets that a trace sets.

    Raises `ScenarioError` for a file that cannot be read, an unknown statistic or column, or values of no use.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ScenarioError(Problem(f"{path}: not a CSV table: {' '.join(str(error).split())[:200]}")) from None
    library = load()
    found = [_target(path, frame, text, library) for text in mapping]
    if not found:
        raise ScenarioError(Problem("a trace needs at least one --map STATISTIC=COLUMN"))
    return {target.statistic: target for target in found}


def _target(path: Path, frame: pd.DataFrame, text: str, library: Mapping[str, Target]) -> Target:
    name, equals, listed = text.partition("=")
    if not equals or not listed:
        raise ScenarioError(Problem(f"--map {text}: expected STATISTIC=COLUMN, e.g. training.duration=run_s"))
    if name not in statistics():
        raise ScenarioError(Problem(f"--map {text}: unknown statistic {name!r}{suggestion(name, statistics())}"))
    statistic, columns = statistics()[name], listed.split("+")
    if len(columns) != len(statistic.columns):
        wanted = "+".join(statistic.columns)
        raise ScenarioError(Problem(f"--map {text}: {name} takes {len(statistic.columns)} column(s): {wanted}"))
    names = [str(each) for each in frame.columns]
    series = [
        _read(path, _column(path, frame, names, column), meaning)
        for column, meaning in zip(columns, statistic.columns, strict=True)
    ]
    whole = np.logical_and.reduce([each.notna() for each in series])
    sample = tuple(each[whole].to_numpy() for each in series)
    measured = measure(statistic, sample)
    if measured.value is None:
        message = f"{path}: {name} cannot be had from {measured.count} values (at least {LEAST} are needed)"
        raise ScenarioError(Problem(message))
    if name not in library:
        raise ScenarioError(Problem(f"--map {text}: {name} has no tolerance in the library"))
    return replace(
        library[name], value=_plain(statistic, measured.value), source=f"{path.name}: {listed}", note="", clusters=None
    )


def _column(path: Path, frame: pd.DataFrame, names: Sequence[str], text: str) -> pd.Series:
    """A column by name; `name:value` is 1 where it holds the value and 0 where it holds another."""
    if text in names:
        return frame[text]
    name, colon, value = text.partition(":")
    if not colon or name not in names:
        raise ScenarioError(Problem(f"{path}: no column {name!r}{suggestion(name, names)}"))
    held = frame[name].astype(str).where(frame[name].notna())
    if not (held == value).any():
        some = ", ".join(held.dropna().drop_duplicates().head(5))
        raise ScenarioError(Problem(f"{path}: column {name!r} never holds {value!r}; it holds {some}"))
    return (held == value).astype(float).where(held.notna())


def _plain(statistic: Statistic, value: Value) -> Value:
    if statistic.form != "distribution":
        return value
    return {p: float(np.quantile(value, p)) for p in ANCHORS}


def _read(path: Path, column: pd.Series, meaning: str) -> pd.Series:
    """A column as numbers, times as seconds since a Monday, names as text; what is missing stays so."""
    import pandas as pd

    if meaning in TEXTS:
        return column.astype(str).astype(object).where(column.notna())
    numbers = pd.to_numeric(column, errors="coerce")
    if meaning == "time":
        if numbers.isna().mean() > 0.5:
            moments = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
            numbers = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        numbers = numbers - MONDAY_S
    if numbers.isna().all():
        raise ScenarioError(Problem(f"{path}: column {column.name!r} holds no {meaning}"))
    return numbers.astype(np.float64)
