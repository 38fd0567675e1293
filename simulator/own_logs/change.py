"""Benign changes in a real log: the extra work that they bring, by an identity of the log.

The records of a log stay as they are, so only the bursts of a change can be put in: what it would alter of the work
that is there (another registry, other addresses, a restart) cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Change
from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.log.truth import BenignChange
from scopedrift.simulator.own_logs import actors, events
from scopedrift.simulator.own_logs.backend import Stage
from scopedrift.simulator.randomness import Quantiles
from scopedrift.simulator.records.errors import LogError


@dataclass
class ChangeDraft:
    """A change in the making: its truth, and its events."""

    record: BenignChange
    blocks: list[tuple[dict[str, Array], int, str]] = field(default_factory=list)
    """Columns of events; of no stage and technique."""


def possible() -> dict[str, Change]:
    """The kinds of change that bring work of their own."""
    return {name: change for name, change in catalogue.changes().items() if change.bursts}


def act_out_change(where: Stage, name: str, kind: str, identity: int | None, rng: np.random.Generator) -> ChangeDraft:
    """One change that begins at a random event of the test part.

    Raises `LogError` for a kind that could only be had by changing records.
    """
    kinds, background = possible(), where.background
    if kind not in kinds:
        raise LogError(f"no change {kind!r} can be put into a log as it is: expected one of {', '.join(kinds)}")
    tests = background.columns["arrived"][background.until :]
    start = int(tests[int(rng.random() * len(tests))])
    if identity is None:
        known = actors.victims(background)
        shares = np.array(list(known.values()), float)
        identity = int(rng.choice(list(known), p=shares / shares.sum()))
    own = background.of_identity(identity)
    hold = actors.Hold(identity, own, own)
    blocks: list[tuple[dict[str, Array], int, str]] = []
    for spec in kinds[kind].bursts:
        now = start
        for _ in range(spec.times):
            plan = events.plan(background, where.calls, hold, spec.activity, (), 0.0, rng)
            count = max(round(Quantiles.of(spec.count)(rng.random()) * plan.seen), 1)
            names = events.chosen_calls(plan, bool(spec.activity.sequence), count, rng)
            if names:
                lasts = round(spec.duration * (0.5 + rng.random()))
                times = events.moments(background, hold, now, len(names), lasts, 0.0, rng)
                made = events.events(
                    background, where.calls, hold, names, times, spec.targets, denied=False, words=where.words, rng=rng
                )
                blocks.append((made, MISSING, ""))
            now += round(spec.every * (0.7 + 0.6 * rng.random()))
    who = background.vocabulary["identity"][identity]
    end = min(start + kinds[kind].lasts, where.test[1])
    return ChangeDraft(BenignChange(name, kind, start, end, False, (who,)), blocks)
