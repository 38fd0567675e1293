"""The stage row: what a SimPy process decides, and what expansion turns into events.

Rows are msgspec structs: a world makes hundreds of thousands, and a named tuple or a data class takes four times as
long to make.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from scopedrift.simulator.log.events import MISSING, Array

NORMAL, DENIED, OUTAGE = 0, 1, 2
"""How a stage's calls end: at the usual rates, all denied, or failing eight times as often."""
RENEWED: Final = -1
"""The epoch of a credential that its holder replaces at half of its life."""

Rows = dict[str, Array]
"""Stage rows by field: one array for each."""
BLOCK: Final = 32_768
"""Events that are worked on together: intermediate arrays stay in the cache.  The log does not depend on it."""


class Holder(Struct, frozen=True, gc=False):
    """Who acts, in which task and credential session: what the stage rows of one task have in common."""

    actor: int
    """Number of the actor (`Actors`)."""
    job: int
    """Number of the task, among those of its workload."""
    session: int = 0
    """Number of the credential session."""
    anchor: int = 0
    """When the session began (microseconds since 1970 UTC)."""
    behalf: int = MISSING
    """Code of the principal on whose behalf it acts."""
    truth: int = 0
    """Code of the injection that makes it act; 0: none."""


class StageRow(Struct, frozen=True, gc=False):
    """One stage: a number of `events` of an activity, within `duration` microseconds from `start`.

    The numbers of its task and stage key the draws of its events: they come from the ranges in `numbers.py`.  With a
    `span`, the stage holds many tasks (`per_task` of the activity).
    """

    holder: Holder
    stage: int
    """Number of the stage, among those of its task."""
    activity: int
    """Code of the activity (`Activity.code`)."""
    start: int
    """Microseconds since 1970 UTC."""
    duration: int
    """Microseconds."""
    events: int
    """Number of events; a row with none is ignored."""
    epoch: int = RENEWED
    """Number of a credential within its session, for a copy that is not renewed."""
    outcome: int = NORMAL
    """`NORMAL`, `DENIED` or `OUTAGE`."""
    refused: int = 0
    """Number of the set of operations that a policy denies (`Recorder.refuse`); 0: none."""
    data: int = MISSING
    """Pool that replaces the actor's in the slot `dataset`."""
    span: int = 0
    """Microseconds that each task of the stage takes, from a start of its own; 0: the stage is one task."""
    clump: int = 1
    """How many of these tasks start together, as callers' bursts do."""
