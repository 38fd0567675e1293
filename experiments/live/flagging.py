"""From verdicts on alerts to what they flag: an entry for each event that a counted alert points at.

The order of alerts, how often each comes and in which file make no difference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from scopedrift.experiments.evaluation.delivered import EQUAL, Flags
from scopedrift.experiments.live.alert_formats import UNNAMED, OutsideAlert
from scopedrift.experiments.live.clock import Clock
from scopedrift.experiments.live.verdicts import OutsideVerdict, PointedEvents
from scopedrift.simulator.log.events import Array

RULES: Final = 500
"""Rules that are judged one by one; those with the fewest alerts beyond are one rule together."""
OTHERS: Final = ("(all other rules)", "")


def flags_of(verdicts: Iterable[OutsideVerdict], events: PointedEvents, clock: Clock) -> Flags:
    """What the counted alerts flag, and when."""
    counted = [each for each in verdicts if not each.uncounted]
    scores = np.array([each.alert.score for each in counted], float)
    ranked = len(np.unique(scores[~np.isnan(scores)])) > 1
    lowest = float(np.nanmin(scores)) if ranked else EQUAL
    best: dict[int, tuple[float, int, str]] = {}
    for each in counted:
        score = each.alert.score if ranked and each.alert.score == each.alert.score else lowest
        for row in events.rows(each.pointed.positions).tolist():
            raised = _raised(each.alert, row, events, clock)
            known = best.get(row, (score, raised, ""))
            first = min((known[1], known[2] or _said(each.alert)), (raised, _said(each.alert)))
            best[row] = max(score, known[0]), *first
    rows = np.array(sorted(best), np.int64)
    found = [best[row] for row in rows.tolist()]
    return Flags(
        position=events.position[rows],
        score=np.array([score for score, _, _ in found], float),
        raised_at=np.array([raised for _, raised, _ in found], np.int64),
        reasons=[reason for _, _, reason in found],
        ranked=ranked,
        rules=_rules(counted, events),
    )


def _raised(alert: OutsideAlert, row: int, events: PointedEvents, clock: Clock) -> int:
    """When an alert on an event counts as raised: never before its record arrived, nor after the world ended."""
    arrived = int(events.arrived[row])
    return max(min(alert.raised, clock.ended), arrived) if clock.useful and alert.raised >= 0 else arrived


def _said(alert: OutsideAlert) -> str:
    rules = ", ".join(rule for rule in alert.rules if rule != UNNAMED)
    return alert.reason if not rules or alert.reason.startswith(rules) else f"{rules}: {alert.reason}".rstrip(": ")


def _rules(counted: Sequence[OutsideVerdict], events: PointedEvents) -> dict[tuple[str, str], Array]:
    """The positions that the alerts of each rule point at; nothing if no alert names its rule."""
    matched: dict[tuple[str, str], set[int]] = defaultdict(set)
    for each in counted:
        for rule in each.alert.rules:
            matched[rule, each.alert.level].update(each.pointed.positions)
    if all(rule == UNNAMED for rule, _ in matched):
        return {}
    sizes = Counter({key: len(at) for key, at in matched.items()})
    kept = {key for key, _ in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))[:RULES]}
    merged: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key in sorted(matched):
        merged[key if key in kept else OTHERS] |= matched[key]
    return {key: np.array(sorted(at), np.int64) for key, at in merged.items()}
