"""Benign changes in a real log: the activity that they add, by an identity of the log.

The records of a log stay as they are, so only the bursts of a change can be put in: what it would alter of the work
that is there (another registry, other addresses, a restart) cannot.
"""

from __future__ import annotations

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Change
from scopedrift.simulator.injection.changes import burst_length, burst_pause
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.log.truth import BenignChange
from scopedrift.simulator.own_logs import actors
from scopedrift.simulator.own_logs.actors import LogFoothold, Setting
from scopedrift.simulator.own_logs.backend import Block, onset
from scopedrift.simulator.own_logs.events import events, listed, moments
from scopedrift.simulator.randomness import Quantiles
from scopedrift.simulator.records.errors import LogError


def possible() -> dict[str, Change]:
    """The kinds of change that add activity."""
    return {name: change for name, change in catalogue.changes().items() if change.bursts}


def act_out_change(
    name: str, kind: str, identity: int | None, changes: IncidentLog, setting: Setting, rng: np.random.Generator
) -> list[Block]:
    """The events of one change that begins at a random event of the test part; no trace if none would be recorded.

    Raises `LogError` for a kind that could only be had by changing records.
    """
    kinds, background, calls = possible(), setting.background, setting.calls
    if kind not in kinds:
        raise LogError(f"cannot inject the change {kind!r} into a real log: expected one of {', '.join(kinds)}")
    start = onset(setting, rng)
    if identity is None:
        identity = actors.drawn(actors.victims(background), 1, rng)[0]
    hold = LogFoothold.of(background, identity)
    blocks = []
    for burst in kinds[kind].bursts:
        now, whole = start, burst.activity.weights
        shown = {call: weight for call, weight in whole.items() if not calls[call].left_out}
        made = {call: weight for call, weight in shown.items() if not hold.refuses(background, calls[call])}
        share = sum(shown.values()) / sum(whole.values())
        for _ in range(burst.times):
            count = max(round(Quantiles.of(burst.count)(rng.random()) * share), 1)
            if made:
                names = listed(made, catalogue.opening(burst.activity, made, count, catalogue.operations()), count, rng)
                times = moments(background, hold, now, len(names), burst_length(burst, rng.random()), rng)
                blocks.append(events(setting, hold, names, times, burst.targets, False, rng))
            now += burst_pause(burst, rng.random())
    who = background.vocabulary["identity"][identity]
    end = min(start + kinds[kind].lasts, setting.test[1])
    if not setting.sees(blocks):
        return []
    code = changes.code("benign_change", changes.add_change(BenignChange(name, kind, start, end, False, (who,))))
    return [(columns, code) for columns in blocks]
