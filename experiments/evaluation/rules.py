"""What each rule of a detector that is made of rules is worth: true and false alarms, noise, what only it catches.

A rule has no score and no threshold: it matches or it does not.  So each is judged as a detector of its own, whose
alerts are the matches of one identity within the cooldown.  An alarm is true if the event that opened it belongs to an
incident, as everywhere.  A rule that matched nothing is *silent*, unless it could not have: then it is *blind*.

Units: times in microseconds, rates per day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.detectors.base import Part
from scopedrift.experiments.evaluation.alerts import Alerts, alerts
from scopedrift.experiments.evaluation.matching import match
from scopedrift.reports.columns import TABLES
from scopedrift.simulator.log.events import DAY, HOUR, MISSING, Array

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.experiments.evaluation.evaluate import Evaluation
    from scopedrift.experiments.evaluation.windows import LabelledWorld
    from scopedrift.simulator.log.event_log import EventLog

SUMS: Final = ("events", "alerts", "true_alarms", "false_alarms", "incidents")
STATUSES: Final = ("fires", "silent", "blind")
LISTED: Final = ", "
"""Between the names of incidents in one value of a table."""


def rule_rows(evaluation: Evaluation, world: LabelledWorld) -> list[dict[str, object]]:
    """One row for each rule of the detector, on the test window."""
    if not evaluation.parts or evaluation.windows is None:
        return []
    test = evaluation.windows.test
    arrived = world.log.arrived[test.start : test.stop]
    identity = _identities(world.log, test.start, test.stop)
    rows, caught, counts = [], [], []
    for part in apart(evaluation.parts):
        flags = _flags(part, test.start - evaluation.start, len(test))
        raised = alerts(arrived, identity, flags, 0.5, evaluation.cooldown_us)
        found = match(raised, world.truth, test, arrived=arrived, identity=identity, scores=flags)
        false = int(np.count_nonzero(found.false_alarm))
        caught.append([each.incident.id for each in found.detections if each.detected])
        counts.append(false)
        rows.append(
            {
                **_row(part, raised),
                "true_alarms": len(raised) - false,
                "false_alarms": false,
                "false_alarms_per_day": false / test.days,
                "incidents": len(found.detections),
                "caught": LISTED.join(caught[-1]),
            }
        )
    by = Counter(name for names in caught for name in names)
    return [
        {**row, "only": LISTED.join(name for name in names if by[name] == 1), "noise_rank": rank}
        for row, names, rank in zip(rows, caught, noise(counts), strict=True)
    ]


def untold_rules(parts: Sequence[Part], log: EventLog, cooldown_us: int = HOUR) -> list[dict[str, object]]:
    """One row for each rule on a log without truth, as a whole: nothing says which alarms are true."""
    arrived, identity = log.arrived, _identities(log, 0, len(log))
    span = int(arrived[-1] - arrived[0])
    days = span / DAY if span >= cooldown_us else float("nan")  # too short to speak of days
    rows, counts = [], []
    for part in apart(parts):
        raised = alerts(arrived, identity, _flags(part, 0, len(log)), 0.5, cooldown_us)
        rows.append({**_row(part, raised), "alerts_per_day": len(raised) / days})
        counts.append(len(raised))
    return [{**row, "noise_rank": rank} for row, rank in zip(rows, noise(counts), strict=True)]


def apart(parts: Sequence[Part]) -> list[Part]:
    """The rules under names that tell them apart: those that share name and level are named with their keys, too.

    Where even the keys are equal, such as rules without ids in one file, they are numbered.
    """
    once = Counter((part.name, part.level) for part in parts)
    keyed = [
        replace(part, name=f"{part.name} ({part.key})") if part.key and once[part.name, part.level] > 1 else part
        for part in parts
    ]
    once, seen, found = Counter((part.name, part.level) for part in keyed), Counter[tuple[str, str]](), []
    for part in keyed:
        seen[part.name, part.level] += 1
        nth = seen[part.name, part.level]
        found.append(part if once[part.name, part.level] == 1 else replace(part, name=f"{part.name} #{nth}"))
    return found


def noise(alarms: Sequence[int]) -> list[float]:
    """1 for the rule with the most (false) alarms, and so on; equals share the better rank, and none has none."""
    return [1.0 + sum(other > own for other in alarms) if own else float("nan") for own in alarms]


def pooled_rules(rules: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The rules' rows of several worlds as one row a scenario, detector and rule; rates are over all test days."""
    import pandas as pd

    if not len(rules):
        return pd.DataFrame(columns=list(TABLES["rule_summary"]))
    keys = ["scenario", "detector", "rule", "level"]
    several = rules["seed"].nunique() > 1
    days = cells.drop_duplicates(["scenario", "detector", "seed"]).groupby(["scenario", "detector"])["test_days"].sum()
    rows = []
    for key, mine in rules.groupby(keys, sort=False):
        status = next(name for name in STATUSES if (mine["status"] == name).any())
        names = [
            f"{name} (world {seed})" if several else name
            for seed, only in zip(mine["seed"], mine["only"], strict=True)
            for name in str(only or "").split(LISTED)
            if name
        ]
        sums = {name: int(mine[name].sum()) for name in SUMS}
        caught = sum(len(str(text).split(LISTED)) for text in mine["caught"] if text)
        reason = next((text for text in mine["reason"] if text), "") if status == "blind" else ""
        per_day = sums["false_alarms"] / float(days.get(key[:2], float("nan")))
        found = {"status": status, "reason": reason, **sums, "false_alarms_per_day": per_day, "caught": caught}
        rows.append({**dict(zip(keys, key, strict=True)), **found, "only": LISTED.join(names)})
    table = pd.DataFrame(rows).reindex(columns=list(TABLES["rule_summary"]))
    for _, mine in table.groupby(["scenario", "detector"], sort=False):
        table.loc[mine.index, "noise_rank"] = noise(mine["false_alarms"].tolist())
    return table


def _row(part: Part, raised: Alerts) -> dict[str, object]:
    status = "blind" if part.blind and not len(part.matched) else "fires" if len(raised) else "silent"
    return {
        "rule": part.name,
        "level": part.level,
        "status": status,
        "reason": part.blind if status == "blind" else "",
        "events": len(raised.flagged),
        "alerts": len(raised),
    }


def _flags(part: Part, start: int, size: int) -> Array:
    """1 for each event of a window that a rule matched, 0 for the others."""
    flags = np.zeros(size)
    at = np.asarray(part.matched, np.int64) - start
    flags[at[(at >= 0) & (at < size)]] = 1.0
    return flags


def _identities(log: EventLog, start: int, stop: int) -> Array:
    batch = log.batch(start, stop)
    return batch["identity"] if "identity" in batch.columns else np.full(stop - start, MISSING, np.int32)
