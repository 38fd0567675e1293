"""Hard negatives: in the first scenario that users meet, ordinary work looks new, fails and is refused too."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.simulator.log.truth import BASELINE


@pytest.fixture(scope="module")
def windows(quickstart):
    """History and test window, and the test window's labels and incidents."""
    log, scenario = quickstart.log, quickstart.scenario
    learned, start = log.position(scenario.baseline_end_us), log.position(scenario.calibration_end_us)
    labels = quickstart.truth.labels(start, len(log))
    caused = quickstart.truth.incident_of(start, len(log))
    return log.batch(0, learned), log.batch(start, len(log)), labels, caused


@pytest.mark.parametrize(("column", "least"), [("resource", 50), ("operation", 10), ("service", 2), ("project", 1)])
def test_first_seen_is_no_perfect_rule(column, least, windows):
    """What an identity has not done in the baseline, it also does without an incident."""
    history, test, _, caused = windows
    known = set(history.pairs("identity", column))
    new = np.array([pair not in known for pair in test.pairs("identity", column)])
    ordinary = new & (caused < 0)
    pairs = {pair for pair, false in zip(test.pairs("identity", column), ordinary, strict=True) if false}
    assert len(pairs) >= least
    assert column == "project" or len({identity for identity, _ in pairs}) > 1


def test_a_new_registry_is_mostly_a_migration(windows, quickstart):
    history, test, _, caused = windows
    known = set(history.pairs("identity", "registry"))
    new = np.array([pair[1] is not None and pair not in known for pair in test.pairs("identity", "registry")])
    assert (new & (caused < 0)).sum() > (new & (caused >= 0)).sum() > 0
    assert len(quickstart.truth.changes) >= 1


@pytest.mark.parametrize("outcome", ["denied", "error"])
def test_ordinary_calls_are_refused_and_fail_by_many_identities(outcome, windows):
    _, test, labels, caused = windows
    bad = test.text("outcome") == outcome
    ordinary = bad & (labels == BASELINE)
    assert ordinary.sum() > 10 * (bad & (caused >= 0)).sum()
    assert len(np.unique(test["identity"][ordinary])) > 0.5 * len(np.unique(test["identity"]))
    assert 0.001 < ordinary.sum() / len(test) < 0.15


def test_ordinary_identities_are_refused_in_projects_that_are_not_theirs(windows):
    _, test, labels, _ = windows
    ordinary = (test.text("outcome") == "denied") & (labels == BASELINE)
    home = {name: max(set(where), key=where.count) for name, where in _projects(test).items()}
    pairs = [pair for pair, bad in zip(test.pairs("identity", "project"), ordinary, strict=True) if bad]
    assert sum(home[identity] != project for identity, project in pairs) >= 5


def _projects(batch):
    found = {}
    for identity, project in batch.pairs("identity", "project"):
        found.setdefault(identity, []).append(project)
    return found


def test_failed_calls_are_tried_again(windows):
    """Soon after a failure the same task makes the same call on the same resource, far oftener than after a success."""
    _, test, labels, _ = windows
    order = np.lexsort((test["time"], test["task"]))
    order = order[(labels[order] == BASELINE) & (test["task"][order] >= 0)]
    same = np.ones(len(order) - 1, bool)
    for column in ("task", "operation", "resource"):
        same &= test[column][order][1:] == test[column][order][:-1]
    failed = test.text("outcome")[order][:-1] == "error"
    in_task = test["task"][order][1:] == test["task"][order][:-1]
    assert same[failed & in_task].mean() > 2 * same[~failed & in_task].mean()


def test_bursts_are_ordinary(windows):
    """Some identity's busiest hour is many times its usual one, without an incident."""
    _, test, labels, _ = windows
    hours = test["time"] // 3_600_000_000
    ratios = []
    for identity in np.unique(test["identity"]):
        mine = (test["identity"] == identity) & (labels == BASELINE)
        counts = np.bincount(hours[mine] - hours.min(), minlength=int(hours.max() - hours.min()) + 1)
        ratios.append(counts.max() / max(np.median(counts[counts > 0]) if counts.any() else 1, 1))
    assert np.median(ratios) > 2 and max(ratios) > 10
