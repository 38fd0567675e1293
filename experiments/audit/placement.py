"""Density and placement: Wu and Keogh's unrealistic density and run-to-failure bias."""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.log.truth import SCOPE_DRIFT

MOST_EVENTS: Final = 0.1
"""Share of a test window's events that may belong to incidents (assumed: above it, anomalies are no exception)."""
MOST_IDENTITY_DAYS: Final = 0.25
"""Share of identity-days that may hold an incident's event (assumed)."""


def incidents_are_rare(subject: Subject) -> Row:
    """Incidents are an exception, in events and in identity-days."""
    shares = np.array([_density(world) for world in subject.worlds])
    events, days = shares.mean(axis=0).tolist()
    good = events <= MOST_EVENTS and days <= MOST_IDENTITY_DAYS
    return Row(
        "density",
        "pass" if good else "fail",
        f"{events:.2%} of events and {days:.2%} of identity-days in the test window belong to incidents",
        f"at most {MOST_EVENTS:.0%} and {MOST_IDENTITY_DAYS:.0%}",
    )


def _density(world: LabelledWorld) -> tuple[float, float]:
    test = Windows.of(world.scenario, world.log).test
    bad = world.truth.labels(test.start, test.stop) >= SCOPE_DRIFT
    batch = world.log.batch(test.start, test.stop)
    cells = batch["identity"].astype(np.int64) * 100_000 + (batch["arrived"] - test.began_us) // DAY
    return float(bad.mean()) if len(bad) else 0.0, len(np.unique(cells[bad])) / max(len(np.unique(cells)), 1)


def incidents_lie_evenly(subject: Subject) -> Row:
    """Incidents lie evenly about the middle of the test window, not towards its end, and begin at any hour."""
    from scipy.stats import kstest, ttest_1samp

    expected = (
        f"incidents about the middle of the test window (t-test) that begin at a uniform time of day (Kolmogorov-"
        f"Smirnov, p at least {ALPHA / 2:g} each)"
    )
    fixed = {spec.template for spec in subject.scenario.incidents if spec.at is not None}
    places, hours = [], []
    for world in subject.worlds:
        test = Windows.of(world.scenario, world.log).test
        span = test.ended_us - test.began_us
        for incident in world.truth.incidents:
            if incident.template not in fixed and incident.intent_at >= test.began_us:
                last = min(max(incident.ended_at, incident.intent_at), test.ended_us)
                places.append(((incident.intent_at + last) / 2 - test.began_us) / span)
                hours.append(incident.intent_at % DAY / DAY)
    if len(places) < ENOUGH:
        return Row("onsets", "too small", f"{len(places)} incidents without a fixed time", expected)
    place, hour = float(ttest_1samp(places, 0.5).pvalue), float(kstest(hours, "uniform").pvalue)
    seen = f"{len(places)} incidents, {np.mean(places):.2f} into the test window on average: p = {place:.2g}"
    seen += f"; over the day p = {hour:.2g}"
    return Row("onsets", "pass" if min(place, hour) >= ALPHA / 2 else "fail", seen, expected)
