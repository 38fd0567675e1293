"""Draws a chain or drift as text: one line a stage, on a logarithmic axis of time since the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, SECOND

WIDTH: Final = 56
MARKS: Final = (
    ("1s", SECOND), ("10s", 10 * SECOND), ("1m", MINUTE), ("10m", 10 * MINUTE), ("1h", HOUR), ("8h", 8 * HOUR),
    ("2d", 2 * DAY), ("2w", 14 * DAY), ("3mo", 91 * DAY), ("2y", 730 * DAY),
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One stage with typical times at strength 0, in microseconds since the incident began."""

    number: str
    stage: catalogue.Stage
    begins: float
    ends: float


def steps_of(template: catalogue.Template) -> list[Step]:
    """The stages of a chain or drift; branches (`3a`, `3b`) begin together."""
    now, steps = 0.0, []
    for number, branches in enumerate(template.stages, start=1):
        ends = now
        for letter, stage in zip("abcdefgh", branches, strict=False):
            begins = now + stage.wait.typical
            name = f"{number}{letter}" if len(branches) > 1 else str(number)
            steps.append(Step(name, stage, begins, begins + stage.pace.typical))
            ends = max(ends, steps[-1].ends)
        now = ends
    return steps


def draw(steps: Sequence[Step], width: int = WIDTH) -> Iterator[str]:
    """The lines of the drawing; `!` marks the stage that reaches the objective."""
    last = max(step.ends for step in steps)
    marks = [(text, at) for text, at in MARKS if at <= last]
    axis = [" "] * (width + 8)
    for text, at in marks:
        place = _place(at, last, width)
        axis[place : place + len(text)] = text
    names = max(len(step.stage.name) for step in steps)
    ruler = ["·"] * (width + 1)
    for _, at in marks:
        ruler[_place(at, last, width)] = "┬"
    yield f"{'':{names + 5}}{''.join(axis).rstrip()}"
    yield f"{'':{names + 5}}{''.join(ruler)}"
    for step in steps:
        begin, end = _place(step.begins, last, width), _place(step.ends, last, width)
        bar = "━" * max(end - begin, 1) + ("!" if step.stage.impact else "")
        yield f"{step.number:>3}  {step.stage.name:<{names}}{' ' * begin}{bar}"


def _place(at: float, last: float, width: int) -> int:
    return round(width * log(max(at / SECOND, 1.0)) / log(max(last / SECOND, 2.0)))
