"""`judge_alerts`: alerts of other systems on a world become results, by the code that judges detectors.

What an alert points at is flagged, and from there on it is an ordinary evaluation.  What cannot be counted is in no
figure; tables say how many such alerts there are.

Units: times in microseconds, except where a name ends in `_s` (seconds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.registry import reference
from scopedrift.experiments.evaluation.delivered import Delivered, Flags
from scopedrift.experiments.evaluation.metrics import Point, recall_at_equal_alarms
from scopedrift.experiments.evaluation.tables import Row, Tables, frame
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.experiments.live.alert_files import AlertDelivery
from scopedrift.experiments.live.clock import Clock
from scopedrift.experiments.live.flagging import flags_of
from scopedrift.experiments.live.pointing import Pointer
from scopedrift.experiments.live.verdicts import Account, PointedEvents, verdicts_of
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.run import run_on_world

ODD_TIME: Final = "of these: a time could not be read"
POINTING_SHARE: Final = 0.3
"""Share of finding events in the work, for the progress bar (assumed)."""


@dataclass(frozen=True)
class JudgedDelivery:
    """The alerts of one system: what they flag, what their times are worth, and what became of each."""

    flags: Flags
    clock: Clock
    account: Account


def judge_alerts(
    world: LabelledWorld,
    deliveries: Mapping[str, AlertDelivery],
    detectors: Mapping[str, Detector],
    *,
    window_us: int,
    progress: Progress = silent,
) -> Tables:
    """All result tables of the systems whose alerts these are, by name, and of detectors on the same world."""
    pointer = Pointer(world.log, window_us)
    judged = {}
    for at, (name, delivery) in enumerate(deliveries.items()):
        share = POINTING_SHARE / len(deliveries)
        judged[name] = _judged(world, delivery, pointer, part_of(progress, at * share, share))
    delivered = {name: Delivered(each.flags) for name, each in judged.items()}
    shown = part_of(progress, POINTING_SHARE, 1 - POINTING_SHARE)
    tables = run_on_world(world, {**delivered, **detectors}, shown)
    rows: dict[str, list[Row]] = {"deliveries": [], "matching": [], "outside_alerts": [], "paired": []}
    for name, each in judged.items():
        key: Row = {"scenario": world.scenario.name, "detector": name}
        rows["deliveries"].append({**key, **_summary(each)})
        rows["matching"] += [{**key, **row} for row in [*each.account.matching(), *_odd_times(each.account)]]
        rows["outside_alerts"] += [{**key, "seed": world.seed, **row} for row in each.account.alerts(world)]
        rows["paired"] += [{**key, **row} for row in _paired(name, tables)]
    return tables | {name: frame(name, found) for name, found in rows.items()}


def _judged(world: LabelledWorld, delivery: AlertDelivery, pointer: Pointer, progress: Progress) -> JudgedDelivery:
    pointed = pointer.point(delivery.alerts, lambda done: progress(done, "finding the events of alerts"))
    events = PointedEvents.of(world, list(pointed.values()))
    verdicts, clock = verdicts_of(delivery, pointed, events, world.scenario.end_us)
    account = Account(verdicts, events, delivery, Windows.of(world.scenario, world.log))
    return JudgedDelivery(flags_of(verdicts, events, clock), clock, account)


def _summary(judged: JudgedDelivery) -> Row:
    uncounted = [bool(each.uncounted) for each in judged.account.verdicts]
    return {
        "alerts": len(uncounted),
        "uncounted": sum(uncounted),
        "uncounted_in_test": sum(map(int.__and__, map(int, uncounted), map(int, judged.account.in_test))),
        "timed": judged.clock.useful,
        "ranked": judged.flags.ranked,
        "words": judged.clock.words,
    }


def _odd_times(account: Account) -> list[Row]:
    """A row for the alerts that have a time which cannot be read, if there are any."""
    odd = [(each, here) for each, here in zip(account.verdicts, account.in_test, strict=True) if each.alert.odd_time]
    if not odd:
        return []
    first = odd[0][0]
    example = f"{first.place}: {first.alert.odd_time!r}, expected ISO 8601 or a number of seconds since 1970"
    return [{"outcome": ODD_TIME, "alerts": len(odd), "in_test": sum(here for _, here in odd), "example": example}]


def _paired(name: str, tables: Tables) -> list[Row]:
    """The system against each other one and each detector, incident by incident.

    `other_recall` is what the other one would catch at as many false alarms a day as the system raised.
    """
    incidents = tables["incidents"]
    cells = {str(cell["detector"]): cell for cell in tables["cells"].to_dict("records") if cell["status"] == "ok"}
    every = set(incidents["incident"])
    caught = {who: set(incidents["incident"][(incidents["detector"] == who) & incidents["detected"]]) for who in cells}
    cost = float(cells[name]["false_positives_per_day"]) if name in cells else math.nan
    rows: list[Row] = []
    for other in (each for each in cells if name in cells and each != name and not reference(each)):
        mine, theirs = caught[name], caught[other]
        points = tables["curves"][tables["curves"]["detector"] == other].drop(columns=["scenario", "seed", "detector"])
        curve = [Point(*map(float, row)) for row in points.itertuples(index=False)]
        rows.append(
            {
                "other": other,
                "incidents": len(every),
                "both": len(mine & theirs),
                "only": len(mine - theirs),
                "only_other": len(theirs - mine),
                "neither": len(every - mine - theirs),
                "false_positives_per_day": cost,
                "other_recall": recall_at_equal_alarms(curve, cost) if len(curve) > 1 else math.nan,
            }
        )
    return rows
