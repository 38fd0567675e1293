"""Benign changes in a real log: the extra work that they bring, by an identity of the log.

The records of a log stay as they are, so only the bursts of a change can be put in: what it would alter of the work
that is there (another registry, other addresses, a restart) cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.durations import parse_duration
from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.log.truth import BenignChange
from scopedrift.simulator.own_logs import actors, conduct
from scopedrift.simulator.own_logs.incident import Stage
from scopedrift.simulator.randomness import Quantiles
from scopedrift.simulator.records.errors import LogError


@dataclass
class ChangeDraft:
    """A change in the making: its truth, and its events."""

    record: BenignChange
    blocks: list[tuple[dict[str, Array], int, str]] = field(default_factory=list)
    """Columns of events; of no stage and technique."""


def possible() -> dict[str, list[dict[str, Any]]]:
    """The kinds of change that bring work of their own, with the bursts of each."""
    kinds = {each.name: each.data["effects"] for each in catalogue.changes().values()}
    bursts = {name: [effect["burst"] for effect in effects if "burst" in effect] for name, effects in kinds.items()}
    return {name: found for name, found in bursts.items() if found}


def act_out_change(where: Stage, name: str, kind: str, identity: int | None, rng: np.random.Generator) -> ChangeDraft:
    """One change that begins at a random event of the test part.

    Raises `LogError` for a kind that could only be had by changing records.
    """
    bursts, background = possible(), where.background
    if kind not in bursts:
        raise LogError(f"no change {kind!r} can be put into a log as it is: expected one of {', '.join(bursts)}")
    tests = background.columns["arrived"][background.until :]
    start = int(tests[int(rng.random() * len(tests))])
    if identity is None:
        known = actors.victims(background)
        shares = np.array(list(known.values()), float)
        identity = int(rng.choice(list(known), p=shares / shares.sum()))
    own = background.of_identity(identity)
    hold = actors.Hold(identity, own, own)
    blocks: list[tuple[dict[str, Array], int, str]] = []
    for spec in bursts[kind]:
        now = start
        for _ in range(int(spec.get("times", 1))):
            plan = conduct.plan(background, where.calls, hold, spec["activity"], (), 0.0, rng)
            count = max(round(Quantiles.parse(spec["count"])(rng.random()) * plan.seen), 1)
            names = conduct.chosen_calls(plan, "sequence" in spec["activity"], count, rng)
            if names:
                lasts = round(parse_duration(spec["duration"]) * (0.5 + rng.random()))
                times = conduct.moments(background, hold, now, len(names), lasts, 0.0, rng)
                targets = spec.get("targets", {})
                made = conduct.events(
                    background, where.calls, hold, names, times, targets, denied=False, words=where.words, rng=rng
                )
                blocks.append((made, MISSING, ""))
            now += round(parse_duration(spec.get("every", "1d")) * (0.7 + 0.6 * rng.random()))
    who = background.vocabulary["identity"][identity]
    end = min(start + parse_duration(catalogue.changes()[kind].data["lasts"]), where.test[1])
    return ChangeDraft(BenignChange(name, kind, start, end, False, (who,)), blocks)
