"""Every row of the audit passes on a sound world and catches the flaw that it exists for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from scopedrift.detectors.base import Detector, Scores
from scopedrift.experiments.audit import (
    Row,
    Subject,
    coverage,
    doubles,
    labels,
    leakage,
    look_alikes,
    placement,
    verdicts,
)
from scopedrift.experiments.audit.runner import CHECKS
from scopedrift.simulator.log.events import DAY, HOUR, EventBatch, Vocabulary

Edited = Callable[..., Subject]


def test_every_row_says_why_and_has_a_name_of_its_own(subject: Subject) -> None:
    names = [check(subject).check for check, _ in (CHECKS[0], CHECKS[2], CHECKS[4], CHECKS[5])]
    assert len(set(names)) == 4
    assert all(why for _, why in CHECKS)


def sound(row: Row) -> bool:
    return row.verdict == "pass" and bool(row.seen) and bool(row.expected)


# --- labels


def test_true_labels_pass(subject: Subject) -> None:
    assert sound(labels.labels_are_sane(subject))


def test_labels_that_are_one_event_off_are_caught(subject: Subject) -> None:
    world: Any = subject.worlds[0]
    moved = replace(world.truth, event=world.truth.event + 1)
    row = labels.labels_are_sane(replace(subject, worlds=[replace(world, truth=moved)]))
    assert row.verdict == "fail"
    assert "first" in row.seen


def test_an_incident_that_ends_before_it_begins_is_caught(subject: Subject) -> None:
    world: Any = subject.worlds[0]
    first, *rest = world.truth.incidents
    early = replace(first, ended_at=first.intent_at - 1)
    truth = replace(world.truth, incidents=(early, *rest))
    row = labels.labels_are_sane(replace(subject, worlds=[replace(world, truth=truth)]))
    assert row.verdict == "fail" and "ended before it began" in row.seen


def test_a_twin_differs_by_its_incident_alone(subject: Subject) -> None:
    assert sound(labels.twins_differ_by_the_incident(subject))


def test_an_unlabelled_event_of_an_incident_is_caught(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    real = labels.simulate

    def forgetful(*args: Any, **options: Any) -> Any:
        world = real(*args, **options)
        if options.get("without"):
            return world
        keep = np.arange(len(world.truth.event)) % 7 > 0
        thinned = {n: getattr(world.truth, n)[keep] for n in ("event", "label", "incident", "stage", "technique")}
        return replace(world, truth=replace(world.truth, **thinned))

    monkeypatch.setattr(labels, "simulate", forgetful)
    assert labels.twins_differ_by_the_incident(subject).verdict == "fail"


# --- leakage


def test_no_field_of_a_sound_world_leaks(subject: Subject, clean: Subject) -> None:
    assert sound(leakage.no_field_leaks(subject))
    assert sound(leakage.no_field_leaks(clean))


@pytest.mark.slow
def test_leaks_raises_false_alarms_as_rarely_as_stated(subject: Subject) -> None:
    """50 audits of worlds where benign runs are labelled in place of incidents: nothing leaks in any of them."""
    false = 0
    for seed in range(50):
        worlds = [doubles.clean(world, np.random.default_rng([seed, world.seed])) for world in subject.worlds]
        false += leakage.no_field_leaks(replace(subject, worlds=worlds)).verdict == "fail"
    assert false <= 2


def _whole_milliseconds(columns: dict[str, Any], bad: Any) -> None:
    columns["time"][bad] -= columns["time"][bad] % 1_000


def _even_tasks(columns: dict[str, Any], bad: Any) -> None:
    columns["task"][bad] -= columns["task"][bad] % 256


def _no_source(columns: dict[str, Any], bad: Any) -> None:
    columns["source"][bad] = -1


def _round_bytes(columns: dict[str, Any], bad: Any) -> None:
    columns["bytes"][bad] -= columns["bytes"][bad] % 100


def _late(columns: dict[str, Any], bad: Any) -> None:
    columns["time"][bad] -= HOUR


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (_whole_milliseconds, "time: microsecond"),
        (_even_tasks, "task: low bits"),
        (_no_source, "source: missing"),
        (_late, "delay to arrival"),
    ],
)
def test_a_planted_leak_is_caught(subject: Subject, edited: Edited, edit: Any, field: str) -> None:
    row = leakage.no_field_leaks(edited(subject, edit))
    assert row.verdict == "fail"
    assert field in row.seen


def test_a_handful_of_incidents_proves_nothing(subject: Subject) -> None:
    world: Any = subject.worlds[0]
    few = world.truth.incident < 3
    kept = {n: getattr(world.truth, n)[few] for n in ("event", "label", "incident", "stage", "technique")}
    row = leakage.no_field_leaks(replace(subject, worlds=[replace(world, truth=replace(world.truth, **kept))]))
    assert row.verdict == "too small" and not row.ok


# --- placement


def test_rare_incidents_pass(subject: Subject) -> None:
    assert sound(placement.incidents_are_rare(subject))


def test_a_test_window_full_of_incidents_is_caught(subject: Subject) -> None:
    world: Any = subject.worlds[0]
    begin = world.log.position(world.scenario.calibration_end_us)
    event = np.arange(begin, len(world.log), 4)
    flood = replace(
        world.truth,
        event=event,
        label=np.full(len(event), 3, np.int8),
        incident=np.zeros(len(event), np.int32),
        stage=np.zeros(len(event), np.int16),
        technique=np.zeros(len(event), np.int16),
    )
    row = placement.incidents_are_rare(replace(subject, worlds=[replace(world, truth=flood)]))
    assert row.verdict == "fail" and row.seen.startswith("25")


def test_uniform_onsets_pass(subject: Subject) -> None:
    assert sound(placement.incidents_lie_evenly(subject))


@pytest.mark.parametrize("rule", ["late", "at three at night"])
def test_onsets_that_cluster_are_caught(subject: Subject, rule: str) -> None:
    def moved(incident: Any, world: Any) -> Any:
        place = (incident.intent_at - world.scenario.calibration_end_us) % DAY
        late = world.scenario.end_us - place // 4
        night = incident.intent_at // DAY * DAY + 3 * HOUR + place // 24
        return replace(incident, intent_at=late if rule == "late" else max(night, world.scenario.calibration_end_us))

    worlds = [
        replace(w, truth=replace(w.truth, incidents=tuple(moved(i, w) for i in w.truth.incidents)))  # type: ignore[type-var]
        for w in subject.worlds
    ]
    assert placement.incidents_lie_evenly(replace(subject, worlds=worlds)).verdict == "fail"


# --- look-alikes


def test_benign_runs_have_look_alikes(clean: Subject) -> None:
    assert sound(look_alikes.every_technique_has_a_look_alike(clean))


def test_a_technique_that_nothing_benign_looks_like_is_caught(clean: Subject, edited: Edited) -> None:
    def plant(columns: dict[str, Any], bad: Any) -> None:
        rare = columns["operation"][bad[0]]
        columns["operation"][columns["operation"] == rare] = (rare + 1) % 2
        columns["operation"][bad] = rare

    row = look_alikes.every_technique_has_a_look_alike(edited(clean, plant))
    assert row.verdict == "fail" and "0 days for" in row.seen


def test_what_keeps_a_credential_is_no_part_of_a_technique_that_does_not_use_it() -> None:
    names = ["GetRoleCredentials", "FetchX509SVID", "CreateService"]
    batch = EventBatch({"operation": np.arange(3)}, Vocabulary({"operation": names}))

    def kept(technique: str) -> set[str]:
        return {names[code] for code in look_alikes._started_with(batch, technique) if code >= 0}

    assert kept("run-foreign-service") == {"GetRoleCredentials", "FetchX509SVID"}
    assert kept("read-metadata-credentials") == {"FetchX509SVID"}


# --- coverage


def varied(subject: Subject) -> Subject:
    """A detector whose recall and false alarms vary between eight worlds."""
    import pandas as pd

    first = subject.results["cells"].query("detector == 'first-seen'").iloc[:1]
    recalls, alarms = (2, 9, 5, 6, 3, 8, 7, 4), (1, 9, 4, 22, 3, 8, 2, 5)
    rows = [first.assign(seed=i, incidents=12, detected=d, recall=d / 12) for i, d in enumerate(recalls)]
    table = pd.concat(rows).assign(false_positives=alarms)
    return replace(subject, results={**subject.results, "cells": table})


def test_intervals_of_few_worlds_cover(subject: Subject) -> None:
    assert sound(coverage.intervals_cover(varied(subject)))


def test_intervals_that_are_too_narrow_are_caught(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    real = coverage.ratio_interval

    def narrow(*args: Any) -> tuple[float, float, float]:
        estimate, low, high = real(*args)
        return estimate, (estimate + low) / 2, (estimate + high) / 2

    monkeypatch.setattr(coverage, "ratio_interval", narrow)
    row = coverage.intervals_cover(varied(subject))
    assert row.verdict == "fail" and "the worst" in row.seen


# --- verdicts


def test_references_pass(subject: Subject) -> None:
    assert sound(verdicts.references_hold(subject))


@pytest.mark.parametrize(
    ("detector", "column", "value"),
    [("never", "false_positives", 1), ("oracle", "detected", 0), ("random", "detected", 9)],
)
def test_a_reference_out_of_place_is_caught(subject: Subject, detector: str, column: str, value: int) -> None:
    cells = subject.results["cells"].copy()
    cells.loc[cells["detector"] == detector, column] = value
    row = verdicts.references_hold(replace(subject, results={**subject.results, "cells": cells}))
    assert row.verdict == "fail" and detector in row.seen


@pytest.mark.parametrize(("detected", "verdict"), [(0.0, "fail"), (0.5, "pass"), (1.0, "fail")])
def test_the_useful_range(subject: Subject, detected: float, verdict: str) -> None:
    cells = subject.results["cells"].copy()
    real = cells["detector"].isin(["first-seen", "rate"])
    cells["detected"] = cells["detected"].astype(float)
    cells.loc[real, "detected"] = cells.loc[real, "incidents"] * detected
    row = verdicts.detectors_stand_in_the_useful_range(replace(subject, results={**subject.results, "cells": cells}))
    assert row.verdict == verdict


@dataclass
class Ahead(Detector):
    """Knows how many bytes the whole batch holds."""

    def score(self, batch: EventBatch) -> Scores:
        return np.full(len(batch), float(batch["bytes"].sum()))


def test_a_detector_that_looks_ahead_is_caught(subject: Subject) -> None:
    assert sound(verdicts.no_detector_looks_ahead(subject))
    row = verdicts.no_detector_looks_ahead(replace(subject, detectors={**subject.detectors, "ahead": Ahead()}))
    assert row.verdict == "fail" and row.seen.startswith("ahead: ")


def test_equals_are_equal_and_a_test_that_is_too_eager_is_caught(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = subject.results["cells"]
    first = cells[cells["detector"] == "first-seen"].iloc[:1]
    rng = np.random.default_rng(1)
    many = [first.assign(seed=seed, incidents=12, detected=int(rng.integers(2, 11))) for seed in range(12)]
    import pandas as pd

    table = pd.concat(many)
    table["recall"] = table["detected"] / table["incidents"]
    varied = replace(subject, results={**subject.results, "cells": table})
    assert sound(verdicts.equals_are_called_equal(varied))
    real = verdicts.paired_difference

    def eager(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        return replace(found, p_value=found.p_value / 4)

    monkeypatch.setattr(verdicts, "paired_difference", eager)
    assert verdicts.equals_are_called_equal(varied).verdict == "fail"
