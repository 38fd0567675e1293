"""agentnorm, a monitor of agents' episodes, as a detector: a task is an episode, judged as far as it has come.

    scopedrift run core-week --detector agentnorm

An event is a tool call of its task (`task`): tool is the operation, result size the bytes, scope the project.  The
agent is the workload, its version the kind of task, and its principal the project in which the identity was seen
first.  agentnorm judges whole episodes; here each event is judged by its task up to it, of which the last `calls`
count, and the baseline consists of tasks as they stood at events of the history, so that a task which has only begun
is nothing unusual.  An event's score is how far the furthest of agentnorm's five detectors is beyond the threshold
that agentnorm set for it: above 0 where agentnorm would raise an alert.  Events without a task are not judged.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from scopedrift.detectors._columns import column, texts
from scopedrift.detectors.adapters._extras import library
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import DAY, EventBatch

_IDLE: Final = DAY
"""A task that was silent for so long (microseconds) begins anew."""
_COLUMNS: Final = ("workload", "identity", "task_kind", "operation", "project", "outcome")
_THEN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLEAN: Final = 20_000
_BATCH: Final = 50_000


@dataclass
class _Task:
    """A task that goes on."""

    agent: str
    version: str
    principal: str
    calls: deque[Any]
    count: int = 0
    arrived: int = 0


@dataclass
class Agentnorm(Detector):
    """Scores tasks, as far as they have come, with agentnorm's monitor of agents (extra: agentnorm)."""

    calls: int = param(32, 4, 256, log=True, doc="last calls of a task that are judged together")
    episodes: int = param(20_000, 1000, 100_000, log=True, doc="events of the history at which their task is learned")
    budget: float = param(0.01, 0.001, 0.1, log=True, doc="share of clean episodes beyond agentnorm's own thresholds")

    name = "agentnorm"

    def __post_init__(self) -> None:
        agentnorm = library("agentnorm", "agentnorm", "agentnorm")
        self._run, self._tool_call, self._monitors = agentnorm.Run, agentnorm.ToolCall, agentnorm.Monitor

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learns from the episodes of the history."""
        self._tasks: dict[int, _Task] = {}
        self._homes: dict[str, str] = {}
        self._said: dict[int, str] = {}
        self._events = 0
        chosen = np.random.default_rng(knowledge.seed).random(len(history)) * len(history) < self.episodes
        episodes = []
        for first in range(0, len(history), _BATCH):
            for row, task in self._followed(history.slice(first, first + _BATCH)):
                if chosen[first + row]:
                    episodes.append(self._episode(task))
        self._monitor = self._monitors.fit(episodes, budget=self.budget) if episodes else None

    def score(self, batch: EventBatch) -> Scores:
        """How far the task so far is beyond agentnorm's thresholds; abstains on events without a task."""
        scores = np.full(len(batch), np.nan)
        self._said = {}
        for row, task in self._followed(batch):
            if self._monitor is None:
                continue
            verdict = self._monitor.score(self._episode(task))
            scores[row] = self._beyond(verdict.scores)
            if verdict.flagged:
                self._said[row] = verdict.explain()
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """What agentnorm says of the task so far."""
        return self._said.get(row, "agentnorm finds no anomaly in the task so far")

    def _beyond(self, scores: dict[str, float]) -> float:
        limits: dict[str, float] = self._monitor.thresholds if self._monitor else {}
        beyond = [
            (value - limits[name]) / max(limits[name], 1.0)
            for name, value in scores.items()
            if math.isfinite(value) and math.isfinite(limits[name])
        ]
        return max(beyond, default=math.nan)

    def _episode(self, task: _Task) -> Any:
        return self._run(
            agent=task.agent,
            version=task.version,
            principal=task.principal,
            run_id="",
            calls=list(task.calls),
            started_at=_THEN,
        )

    def _followed(self, batch: EventBatch) -> Iterator[tuple[int, _Task]]:
        """Rows that have a task, and the task with the row's call in it."""
        tasks = column(batch, "task")
        rows = np.flatnonzero(tasks >= 0) if tasks is not None else np.zeros(0, np.int64)
        if tasks is None or not len(rows):
            return
        size = column(batch, "bytes")
        sizes = (size[rows] if size is not None else np.zeros(len(rows), np.int64)).tolist()
        told = texts(batch, _COLUMNS, rows)
        for row, key, arrived, bytes_, facts in zip(
            rows.tolist(), tasks[rows].tolist(), batch["arrived"][rows].tolist(), sizes, told, strict=True
        ):
            task = self._task(key, arrived, facts)
            task.count += 1
            task.arrived = arrived
            task.calls.append(self._call(task.count, bytes_, facts))
            yield row, task

    def _task(self, key: int, arrived: int, facts: tuple[str | None, ...]) -> _Task:
        self._events += 1
        if self._events % _CLEAN == 0:
            self._tasks = {k: t for k, t in self._tasks.items() if arrived - t.arrived <= _IDLE}
        task = self._tasks.get(key)
        if task is None or arrived - task.arrived > _IDLE:
            workload, identity, kind, _, project, _ = facts
            home = self._homes.setdefault(identity, project) if identity and project else project
            task = _Task(workload or identity or "", kind or "", home or "", deque(maxlen=self.calls))
            self._tasks[key] = task
        return task

    def _call(self, step: int, size: int, facts: tuple[str | None, ...]) -> Any:
        operation, project, outcome = facts[3:]
        return self._tool_call(
            tool=operation or "",
            step=step,
            args={},
            ok=outcome in (None, "success"),
            result_size=max(size, 0),
            scope=project or "",
            started_at=_THEN,
        )
