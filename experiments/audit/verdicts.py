"""Do detectors, references and verdicts behave: look-ahead, the useful range, and comparisons of equals."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from scopedrift.detectors.conformance.candidate import Candidate
from scopedrift.detectors.conformance.checks import is_causal, is_independent_of_batch_cuts
from scopedrift.detectors.knowledge import KINDS, Knowledge
from scopedrift.experiments.audit.subject import ALPHA, Row, Subject
from scopedrift.experiments.evaluation.statistics import paired_difference
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.experiments.running.selection import STANDARD_REFERENCES
from scopedrift.simulator.log.event_log import EventLog

EVENTS: Final = 8_000
"""Events of the world's own log that detectors are held against for look-ahead."""
GATES: Final = 200
"""Comparisons of equals."""
NOMINAL: Final = 0.05
LOW, HIGH = 0.2, 0.8
"""The useful range of recall: some detector stands in it."""


def no_detector_looks_ahead(subject: Subject) -> Row:
    """Scores on a prefix of the log equal scores on the whole, however it is cut."""
    world = subject.worlds[0]
    log = _excerpt(world)
    known = Knowledge.of(world.deployment, KINDS, seed=world.seed)
    guilty = []
    for name, detector in subject.detectors.items():
        if name == "oracle":
            continue  # it is told the truth, and no detector
        made = Candidate(lambda d=detector: type(d)(**d.parameters()), log, known)  # type: ignore[misc]
        for look in (is_causal, is_independent_of_batch_cuts):
            try:
                problem = look(made)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                guilty.append(f"{name}: {problem}")
                break
    seen = "; ".join(guilty) if guilty else f"{len(subject.detectors)} detectors, none"
    return Row("look-ahead", "fail" if guilty else "pass", seen, "no score depends on later events or on batch cuts")


def _excerpt(world: LabelledWorld) -> EventLog:
    """The last events of the baseline window and the first of the calibration window."""
    split = Windows.of(world.scenario, world.log).calibration.start
    batch = world.log.batch(split - EVENTS // 2, split + EVENTS // 2)
    return EventLog.from_columns({n: np.array(c) for n, c in batch.columns.items()}, world.log.vocabulary)


def references_hold(subject: Subject) -> Row:
    """`never` finds nothing at no cost, `oracle` everything, and `random` no more than chance."""
    cells = subject.results["cells"]
    wrong = []
    for name in STANDARD_REFERENCES:
        mine = cells[(cells["detector"] == name) & (cells["status"] == "ok")]
        found, incidents, false = (float(mine[c].sum()) for c in ("detected", "incidents", "false_positives"))
        if name == "never" and (found or false):
            wrong.append(f"never has {found:.0f} incidents and {false:.0f} false alarms")
        if name == "oracle" and (found < incidents or false):
            wrong.append(f"oracle has {found:.0f} of {incidents:.0f} incidents and {false:.0f} false alarms")
        if name == "random" and incidents and found > _chance(subject):
            wrong.append(f"random has {found:.0f} of {incidents:.0f} incidents, beyond chance")
    seen = "; ".join(wrong) or f"{', '.join(STANDARD_REFERENCES)} as they should"
    return Row("references", "fail" if wrong else "pass", seen, "never nothing, oracle all, random at chance")


def _chance(subject: Subject) -> float:
    """The most incidents that random flags find, except with a chance of `ALPHA`.

    An incident of n events is hit with probability 1 - (1 - q)^n, where q is the share of events that random flagged;
    the sum over incidents is bounded by a Poisson variable of the same mean (Le Cam).
    """
    from scipy.stats import poisson

    cells, incidents = (subject.results[name] for name in ("cells", "incidents"))
    flagged = cells.loc[cells["detector"] == "random", "raw_alerts"].sum()
    share = flagged / sum(len(Windows.of(world.scenario, world.log).test) for world in subject.worlds)
    events = incidents.loc[incidents["detector"] == "random", "events"].to_numpy(float)
    return float(poisson.ppf(1 - ALPHA, np.sum(1.0 - (1.0 - share) ** events)))


def detectors_stand_in_the_useful_range(subject: Subject) -> Row:
    """Difficulty leaves room in both directions: a detector stands between 20 % and 80 %, and none is perfect."""
    cells = subject.results["cells"]
    real = cells[(cells["reference"] == "") & (cells["status"] == "ok")]
    totals = real.groupby("detector")[["detected", "incidents", "false_positives"]].sum()
    recall = (totals["detected"] / totals["incidents"]).sort_values(ascending=False)
    expected = f"at least one detector between {LOW:.0%} and {HIGH:.0%} recall at the budget, and none perfect"
    if recall.isna().all():
        return Row("useful range", "too small", "no incident, or no detector under test", expected)
    inside = recall[(recall >= LOW) & (recall <= HIGH)]
    perfect = totals[(totals["detected"] == totals["incidents"]) & (totals["false_positives"] == 0)]
    ends = f"{recall.index[0]} {recall.iloc[0]:.0%} to {recall.index[-1]} {recall.iloc[-1]:.0%}"
    seen = f"{len(inside)} of {len(recall)} inside; {ends}"
    seen += f"; perfect: {', '.join(perfect.index)}" if len(perfect) else ""
    return Row("useful range", "fail" if inside.empty or len(perfect) else "pass", seen, expected)


def equals_are_called_equal(subject: Subject) -> Row:
    """Comparing a detector with itself, on worlds dealt at random, is significant no more often than it should be."""
    from scipy.stats import binom

    cells = subject.results["cells"]
    most = int(binom.ppf(1 - ALPHA, GATES, NOMINAL))
    expected = f"at most {most} of {GATES} significant at {NOMINAL:g} (nominal {NOMINAL * GATES:.0f})"
    real = cells[(cells["reference"] == "") & (cells["status"] == "ok") & (cells["incidents"] > 0)]
    names = [name for name, mine in real.groupby("detector") if mine["recall"].nunique() > 1]
    if not names or real["seed"].nunique() < 2:
        return Row("A/A", "too small", "no detector whose recall varies between worlds", expected)
    rng = np.random.default_rng(0)
    false = 0
    for gate in range(GATES):
        mine = real[real["detector"] == names[gate % len(names)]]
        worlds = max(len(mine), 8)
        sides = [mine.iloc[rng.integers(0, len(mine), worlds)].assign(seed=range(worlds)) for _ in "ab"]
        both = pd.concat([side.assign(detector=name) for side, name in zip(sides, "ab", strict=True)])
        p_value = paired_difference(both, "a", "b", "recall", replicates=400).p_value
        false += bool(p_value < NOMINAL)
    return Row("A/A", "pass" if false <= most else "fail", f"{false} of {GATES} false verdicts", expected)
