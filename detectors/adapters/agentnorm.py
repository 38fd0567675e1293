"""agentnorm, a monitor of agents' episodes, as a detector: a task is an episode, judged at each of its events.

    scopedrift run core-week --detector agentnorm

An event is a tool call of its task (`task`): tool is the operation, result size the bytes, scope the project.  The
agent is the workload, its version the kind of task, and its principal the project in which the identity was seen
first.  agentnorm judges whole episodes; here each event is judged by its task up to it, of which the last `calls`
count.  The baseline consists of tasks as they stood at events of the history, so a task that has just begun is not
unusual.  An event's score is the largest excess of agentnorm's five detectors over agentnorm's own thresholds: above 0
where agentnorm would raise an alert.  It abstains on events without a task.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from scopedrift.detectors.adapters.libraries import library
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import column, texts_of
from scopedrift.simulator.log.events import DAY, Array, EventBatch

_IDLE: Final = DAY
"""Microseconds of silence after which a task begins again."""
_COLUMNS: Final = ("workload", "identity", "task_kind", "operation", "project", "outcome")
_THEN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLEAN: Final = 20_000
_BATCH: Final = 50_000


@dataclass
class _Task:
    """A task that goes on: the episode so far, how many calls it has had, when the last arrived."""

    episode: Any
    count: int = 0
    arrived: int = 0


@dataclass
class Agentnorm(Detector):
    """Scores unfinished tasks with agentnorm's monitor of agents (extra: agentnorm)."""

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
        self._flagged: dict[int, Any] = {}
        self._events = 0
        chosen = np.random.default_rng(knowledge.seed).random(len(history)) * len(history) < self.episodes
        episodes = []
        for first in range(0, len(history), _BATCH):
            for row, task in self._followed(history.slice(first, first + _BATCH)):
                if chosen[first + row]:
                    episodes.append(replace(task.episode, calls=list(task.episode.calls)))  # as it stands now
        self._monitor = self._monitors.fit(episodes, budget=self.budget) if episodes else None
        limits = self._monitor.thresholds if self._monitor else {}
        self._limits = {name: limit for name, limit in limits.items() if math.isfinite(limit)}

    def score(self, batch: EventBatch) -> Scores:
        """How far the task is over agentnorm's thresholds so far; abstains on events without a task."""
        scores = np.full(len(batch), np.nan)
        self._flagged = {}
        if self._monitor is None:
            return scores
        names = list(self._limits)
        rows: list[int] = []
        values: list[float] = []
        for row, task in self._followed(batch):
            verdict = self._monitor.score(task.episode)
            rows.append(row)
            values.extend(map(verdict.scores.__getitem__, names))
            if verdict.flagged:
                self._flagged[row] = verdict
        scores[rows] = self._beyond(np.array(values, np.float64).reshape(len(rows), len(names)))
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """agentnorm's reason for the score of the task so far."""
        verdict = self._flagged.get(row)
        return verdict.explain() if verdict is not None else "agentnorm finds no anomaly in the task so far"

    def _beyond(self, values: Array) -> Array:
        """How far the furthest score of each row is beyond its limit; a score that is not finite says nothing."""
        limits = np.array(list(self._limits.values()))
        beyond = (values - limits) / np.maximum(limits, 1.0)
        beyond[~np.isfinite(values)] = np.nan
        return np.asarray(np.fmax.reduce(beyond, axis=1, initial=np.nan))

    def _followed(self, batch: EventBatch) -> Iterator[tuple[int, _Task]]:
        """Rows that have a task, and the task up to the row's call."""
        tasks = column(batch, "task")
        rows = np.flatnonzero(tasks >= 0) if tasks is not None else np.zeros(0, np.int64)
        if tasks is None or not len(rows):
            return
        arrivals = batch["arrived"][rows]
        self._forget(len(rows), int(arrivals[0]))
        size = column(batch, "bytes")
        sizes = (np.maximum(size[rows], 0) if size is not None else np.zeros(len(rows), np.int64)).tolist()
        agents, identities, kinds, operations, projects, outcomes = (texts_of(batch, name, rows) for name in _COLUMNS)
        called = zip(
            rows.tolist(), tasks[rows].tolist(), arrivals.tolist(), operations, outcomes, sizes, projects, strict=True
        )
        known, tool_call, most = self._tasks, self._tool_call, self.calls
        for n, (row, key, arrived, operation, outcome, moved, project) in enumerate(called):
            task = known.get(key)
            if task is None or arrived - task.arrived > _IDLE:
                task = known[key] = self._begun(agents[n], identities[n], kinds[n], project)
            task.count += 1
            task.arrived = arrived
            ok = outcome is None or outcome == "success"
            calls = task.episode.calls
            # tool, step, args, ok, error, duration_ms, result_size, output_bytes, resource, scope, started_at: by
            # place, since names cost as much as the rest of the call
            calls.append(tool_call(operation or "", task.count, {}, ok, "", 0, moved, 0, "", project or "", _THEN))
            if len(calls) > most:
                del calls[0]
            yield row, task

    def _forget(self, events: int, now: int) -> None:
        """Drops tasks that would begin again, once in a while."""
        self._events += events
        if self._events >= _CLEAN:
            self._events = 0
            self._tasks = {key: task for key, task in self._tasks.items() if now - task.arrived <= _IDLE}

    def _begun(self, workload: str | None, identity: str | None, kind: str | None, project: str | None) -> _Task:
        home = self._homes.setdefault(identity, project) if identity and project else project
        agent, version, principal = workload or identity or "", kind or "", home or ""
        return _Task(self._run(agent, version, principal, run_id="", calls=[], started_at=_THEN))
