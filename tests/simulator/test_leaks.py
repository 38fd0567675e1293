"""No leaks: nothing but what it does tells an injected event from another one of the same identity.

For each field that is no behaviour (sub-second digits, delivery delay, bits of ids, position), the best decision
stump is at chance: its advantage is the Kolmogorov-Smirnov distance between injected events and the other events
of the same identities.  Events of one stage share its start and its task, so one event stands for a stage (of an
incident) or a task (of the background), and an id counts once.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from scopedrift.simulator.log.events import MISSING, OPAQUE, SECOND, STREAMS

CHANCE = 1e-4
"""A fair field falls below this once in ten thousand worlds."""
WORLD = """
name: many-incidents
horizon: 5d
windows: {baseline: 1d, calibration: 12h}
organisation: {projects: 3}
platform: {contention: false}
workloads: {training: {pipelines: 3}, inference: {services: 4}, serverless: {functions: 8, most_per_day: 250.0}}
incidents:
  - {attack: token-theft, count: 40, strength: 0.3}
  - {attack: rogue-job, count: 40, strength: 0.3}
  - {drift: adjacent-training-data, count: 40, strength: 0.3}
"""


class Sample:
    """Injected events and other events of the same identities, each standing for one stage or one task."""

    def __init__(self, simulation):
        batch = simulation.log.batch(0, len(simulation.log))
        self.columns = {**batch.columns, "position": np.arange(len(batch))}
        self.streams = batch.text("stream")
        caused = simulation.truth.incident_of(0, len(batch)) >= 0
        baseline = simulation.truth.labels(0, len(batch)) == 0
        victims = np.unique(batch["identity"][caused])
        theirs = np.isin(batch["identity"], victims)
        rng = np.random.default_rng(1)
        order = rng.permutation(len(batch))
        at = {int(event): row for row, event in enumerate(simulation.truth.event)}
        stage = np.full(len(batch), MISSING, np.int64)
        rows = [at[int(event)] for event in np.flatnonzero(caused)]
        stage[caused] = simulation.truth.incident[rows] * 64 + simulation.truth.stage[rows]
        self.injected = order[caused[order]]
        self.injected = self.injected[np.unique(stage[self.injected], return_index=True)[1]]
        others = order[(theirs & baseline & (batch["task"] >= 0))[order]]
        self.others = others[np.unique(batch["task"][others], return_index=True)[1]]
        self.all_injected, self.all_others = np.flatnonzero(caused), np.flatnonzero(theirs & baseline)

    def values(self, field, rows):
        return FIELDS[field](self.columns, rows)

    def chance(self, field):
        """How likely a difference of this size is if the field says nothing (p-value of the best stump)."""
        if field in IDS:
            column = field.split()[0]
            injected, others = (np.unique(self.columns[column][r]) for r in (self.all_injected, self.all_others))
            injected, others = (ids[ids >= 0] for ids in (injected, np.setdiff1d(others, injected)))
            injected, others = IDS[field](injected), IDS[field](others)
        else:
            injected, others = (self.values(field, rows) for rows in (self.injected, self.others))
        assert len(injected) > 40 and len(others) > 200
        return ks_2samp(injected, others).pvalue


FIELDS = {
    "time within its second": lambda c, r: c["time"][r] % SECOND,
    "time within its millisecond": lambda c, r: c["time"][r] % 1000,
    "parity of time": lambda c, r: c["time"][r] % 2,
    "time in tens of microseconds": lambda c, r: c["time"][r] % 10,
    "arrival within its second": lambda c, r: c["arrived"][r] % SECOND,
    "arrival within its millisecond": lambda c, r: c["arrived"][r] % 1000,
    "parity of arrival": lambda c, r: c["arrived"][r] % 2,
    "parity of position": lambda c, r: c["position"][r] % 2,
    "position in blocks of 16": lambda c, r: c["position"][r] % 16,
    "distance to the event before, in microseconds": lambda c, r: (c["arrived"][r] - c["arrived"][r - 1]) % 100,
}
IDS = {
    f"{column} {name}": function
    for column in OPAQUE
    for name, function in {
        "low bits": lambda ids: ids & 0xFFFF,
        "high bits": lambda ids: ids >> 47,
        "parity": lambda ids: ids & 1,
        "bits set": lambda ids: np.array([bin(each).count("1") for each in ids.tolist()]),
    }.items()
}


@pytest.fixture(scope="module")
def simulation(run):
    return run(WORLD)


@pytest.fixture(scope="module")
def sample(simulation):
    return Sample(simulation)


@pytest.mark.parametrize("field", [*FIELDS, *IDS])
def test_the_best_stump_on_what_is_no_behaviour_is_at_chance(field, sample):
    assert sample.chance(field) > CHANCE


@pytest.mark.parametrize("stream", [s for s in STREAMS if s != "agent"])
def test_records_of_injected_calls_are_delivered_like_any_other(stream, sample):
    def delays(rows):
        rows = rows[sample.streams[rows] == stream]
        return sample.columns["arrived"][rows] - sample.columns["time"][rows]

    # every record has a delay of its own: no need to let one stand for many
    injected, others = delays(sample.all_injected), delays(sample.all_others)
    assert len(injected) > 20 and len(others) > 200
    assert ks_2samp(injected, others).pvalue > CHANCE


LEAKS = {
    "time within its millisecond": lambda columns, rows: np.put(
        columns["time"], rows, columns["time"][rows] // 1000 * 1000
    ),
    "parity of time": lambda columns, rows: np.put(columns["time"], rows, columns["time"][rows] | 1),
    "arrival within its second": lambda columns, rows: np.put(
        columns["arrived"], rows, columns["arrived"][rows] // SECOND * SECOND + columns["arrived"][rows] % (SECOND // 2)
    ),
    "task low bits": lambda columns, rows: np.put(columns["task"], rows, columns["task"][rows] & ~0x8000),
    "credential parity": lambda columns, rows: np.put(columns["credential"], rows, columns["credential"][rows] | 1),
}


@pytest.mark.parametrize("field", LEAKS)
def test_a_planted_leak_is_found(field, simulation):
    planted = Sample(simulation)
    planted.columns = {name: column.copy() for name, column in planted.columns.items()}
    LEAKS[field](planted.columns, planted.all_injected)
    assert planted.chance(field) < CHANCE


# --- words


@pytest.mark.parametrize("column", ["stream", "workload", "credential_kind", "task_kind", "access", "project"])
def test_injected_events_use_no_word_of_their_own(column, simulation):
    batch = simulation.log.batch(0, len(simulation.log))
    caused = simulation.truth.incident_of(0, len(batch)) >= 0
    text = batch.text(column)
    assert set(text[caused].tolist()) <= set(text[~caused].tolist())


@pytest.mark.parametrize("column", ["service", "operation", "source"])
def test_hardly_any_injected_event_has_a_word_that_nobody_else_has(column, simulation):
    """A rare benign use may be missing from one log by chance; a list of bad words must not work."""
    batch = simulation.log.batch(0, len(simulation.log))
    caused = simulation.truth.incident_of(0, len(batch)) >= 0
    text = batch.text(column)
    foreign = set(text[caused].tolist()) - set(text[~caused].tolist())
    assert np.isin(text[caused].astype(str), list(map(str, foreign))).mean() < 0.05


def test_an_unusual_image_looks_like_an_image(simulation):
    """Same parts, same kind of tag: what is unusual is that this workload runs it."""
    batch = simulation.log.batch(0, len(simulation.log))
    caused = simulation.truth.incident_of(0, len(batch)) >= 0
    image = batch.text("image")

    def shapes(images):
        return {(i.count("/"), i.rpartition(":")[2].count("."), "@" in i) for i in images.tolist() if i is not None}

    assert shapes(image[caused]) and shapes(image[caused]) <= shapes(image[~caused])
