"""How stages and tasks are numbered: who may use which numbers.

The draws of an event are keyed by (actor, task number, stage number, index), so two stages with the same numbers
would log the same draws.  Everything that numbers stages or tasks of its own takes them from a range of its own here;
importing this module checks that no two ranges overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final


@dataclass(frozen=True)
class NumberRange:
    """The numbers from `first` up to, but without, `end`."""

    what: str
    first: int
    end: int

    def at(self, offset: int) -> int:
        """Number `offset` of this range.

        Raises `ValueError` if the range is too short.
        """
        if not 0 <= offset < self.end - self.first:
            raise ValueError(f"{self.what}: number {offset} is outside 0 to {self.end - self.first - 1}")
        return self.first + offset


TASK_STAGES: Final = NumberRange("stages of a task", 0, 50_000)
INCIDENT_STAGES: Final = NumberRange("stages of an incident that hides in a task", TASK_STAGES.end, 1_000_000)
RENEWALS: Final = NumberRange("renewals of a task's credentials", INCIDENT_STAGES.end, 1 << 40)
DECISIONS: Final = NumberRange("decisions of the policy on the stages of a task", RENEWALS.end, 1 << 62)
STAGES: Final = (TASK_STAGES, INCIDENT_STAGES, RENEWALS, DECISIONS)

UNRECORDED_TASKS: Final = NumberRange("tasks that no record names", -(1 << 62), -1)
NO_TASK: Final = -1
"""The task number of what belongs to no task."""
FAMILY_TASKS: Final = NumberRange("tasks of a workload family, which divides them as it likes", 0, 1 << 56)
CHANGE_TASKS: Final = NumberRange("tasks of benign changes", FAMILY_TASKS.end, 1 << 61)
INCIDENT_TASKS: Final = NumberRange("tasks that incidents start", CHANGE_TASKS.end, 1 << 62)
TASKS: Final = (UNRECORDED_TASKS, FAMILY_TASKS, CHANGE_TASKS, INCIDENT_TASKS)


def check_apart(ranges: tuple[NumberRange, ...]) -> None:
    """Raise `ValueError` if two of the ranges overlap."""
    for one, other in pairwise(sorted(ranges, key=lambda each: each.first)):
        if one.end > other.first:
            raise ValueError(f"{one.what} and {other.what} overlap: {other.first} to {one.end - 1}")


check_apart(STAGES)
check_apart(TASKS)
