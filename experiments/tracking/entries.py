"""What a run holds: metrics, parameters, tags, operating curves and worlds, as MLflow takes them."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.tracking.processes import PROCESS, this_process
from scopedrift.scenarios.release import release

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

BUDGETS: Final = np.geomspace(0.01, 100.0, 21)
"""False alarms per day at the steps of the curve metrics: five a decade."""
_DIGEST_LENGTH: Final = 32
"""MLflow keeps at most 36 characters of a dataset's digest; the whole one is in the run's tags."""
_METRICS_PER_BATCH: Final = 900
_PARAMS_PER_BATCH: Final = 90
KEYS: Final = ("scenario", "detector", "seed")


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def log(
    client: MlflowClient,
    run_id: str,
    *,
    metrics: Sequence[tuple[str, float, int]] = (),
    params: Mapping[str, object] | None = None,
) -> None:
    """Write metrics (name, value, step) and parameters in as few batches as MLflow allows."""
    from mlflow.entities import Metric, Param

    at = now()
    rows = [Metric(name, value, at, step) for name, value, step in metrics]
    pairs = [Param(name, _text(value)) for name, value in (params or {}).items() if value is not None]
    while rows or pairs:
        client.log_batch(run_id, metrics=rows[:_METRICS_PER_BATCH], params=pairs[:_PARAMS_PER_BATCH])
        rows, pairs = rows[_METRICS_PER_BATCH:], pairs[_PARAMS_PER_BATCH:]


def metrics_of(row: Mapping[Hashable, object]) -> list[tuple[str, float, int]]:
    """The finite numbers of a table's row; NaN ("not reached", "nothing alerted") is not logged."""
    numbers = []
    for name, value in row.items():
        if name in KEYS or isinstance(value, str) or not isinstance(value, (bool, int, float, np.number, np.bool_)):
            continue
        if math.isfinite(number := float(value)):
            numbers.append((str(name), number, 0))
    return numbers


def curve_of(curves: pd.DataFrame | None) -> list[tuple[str, float, int]]:
    """The operating curve on the grid `BUDGETS`: means over seeds of the best recall within each budget."""
    if curves is None or not len(curves):
        return []
    recalls, precisions = [], []
    for _, points in curves.groupby("seed"):
        points = points.sort_values(["false_positives_per_day", "recall"])
        recall = points["recall"].to_numpy(float)
        best = np.maximum.accumulate(np.nan_to_num(recall, nan=-1.0))
        first = np.searchsorted(best, best)  # the cheapest point that reaches the best recall so far
        at = np.searchsorted(points["false_positives_per_day"].to_numpy(float), BUDGETS, side="right") - 1
        recalls.append(np.where(at >= 0, np.maximum(best[at], 0.0), 0.0))
        precisions.append(np.where(at >= 0, points["precision"].to_numpy(float)[first[at]], np.nan))
    recall, counts = np.mean(recalls, axis=0), np.sum(np.isfinite(precisions), axis=0)
    precision = np.nansum(precisions, axis=0) / np.maximum(counts, 1)
    rows: list[tuple[str, float, int]] = []
    for step, budget in enumerate(BUDGETS):
        rows.append(("curve/false_positives_per_day", float(budget), step))
        rows.append(("curve/recall", float(recall[step]), step))
        if counts[step]:
            rows.append(("curve/precision", float(precision[step]), step))
    return rows


def log_worlds(client: MlflowClient, run_id: str, scenario: str, worlds: pd.DataFrame | None) -> None:
    """The simulated worlds as a dataset input, under our own digest (hashing a frame would take seconds)."""
    if worlds is None or not len(worlds):
        return
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    digests = {str(row["seed"]): str(row["digest"]) for row in worlds.to_dict("records")}
    source = CodeDatasetSource(tags={"scenario": scenario, "scopedrift": release(), "digests": digests})
    name = scenario if len(digests) > 1 else f"{scenario}-seed-{next(iter(digests))}"
    digest = combined_digest(digests.values())[:_DIGEST_LENGTH]
    dataset = MetaDataset(source, name=name, digest=digest)  # type: ignore[abstract]  # it lacks `profile`, unused
    context = InputTag("mlflow.data.context", "evaluation")
    client.log_inputs(run_id, datasets=[DatasetInput(dataset._to_mlflow_entity(), [context])])


def combined_digest(digests: Iterable[str]) -> str:
    """One digest for several worlds: that of the only one, or a hash over all in any order."""
    from hashlib import sha256

    parts = sorted(set(digests))
    return parts[0] if len(parts) == 1 else sha256("\n".join(parts).encode()).hexdigest()


def digest_of(worlds: pd.DataFrame | None) -> dict[str, str]:
    """The tag with the digest of the worlds; none without worlds."""
    if worlds is None or not len(worlds):
        return {}
    return {"digest": combined_digest(worlds["digest"].astype(str))}


def facts_of(cells: pd.DataFrame) -> dict[str, str]:
    """The facts that the cells of one run share."""
    facts = {"seeds": ",".join(str(seed) for seed in cells["seed"]), "level": "summary"}
    for name in ("knowledge", "reason"):
        if name in cells and (texts := sorted({str(text) for text in cells[name].dropna() if str(text)})):
            facts[name] = "; ".join(texts)
    return facts


def tags_of(tags: Mapping[str, object]) -> dict[str, str]:
    """Tags as texts, with the version and the process that writes."""
    known = {"version": release(), PROCESS: this_process(), **tags}
    return {name: _text(value) for name, value in known.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(str(part) for part in (sorted(value) if isinstance(value, (set, frozenset)) else value))
    return str(value)


def source_of(command: str) -> dict[str, str]:
    """MLflow's own tags for where a run came from."""
    commit = git_commit()
    source = {"mlflow.source.name": command, "mlflow.source.type": "LOCAL"}
    return source | ({"mlflow.source.git.commit": commit} if commit else {})


@cache
def git_commit() -> str | None:
    """The commit that is checked out in the current folder, if it is in a Git repository."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
    return None
