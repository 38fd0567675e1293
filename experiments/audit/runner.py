"""Running the audit: worlds, results, and every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.audit import (
    attacker,
    consistency,
    coverage,
    labels,
    leakage,
    look_alikes,
    order,
    placement,
    triviality,
    verdicts,
    words,
)
from scopedrift.experiments.audit.subject import Check, Row, Subject
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.run import ALONE, run_on_worlds
from scopedrift.experiments.running.selection import resolve
from scopedrift.experiments.running.workers.pool import Workers
from scopedrift.experiments.running.worlds import make_world

if TYPE_CHECKING:
    from scopedrift.experiments.evaluation.windows import LabelledWorld
    from scopedrift.scenarios.schema import Scenario

CHECKS: Final[Sequence[tuple[Check, str]]] = (
    (labels.labels_are_sane, "a detector that is right would be called wrong"),
    (labels.twins_differ_by_the_incident, "alerts could not be attributed, and attacks would disturb the background"),
    (leakage.no_field_leaks, "detectors would learn the generator, not the behaviour"),
    (words.words_are_ordinary, "a list of words that only attackers use would beat every detector"),
    (consistency.columns_are_consistent, "incidents would be found by how they ride, whatever they do"),
    (consistency.ages_are_alike, "incidents would be found by where in a task's life they come"),
    (order.calls_are_in_order, "incidents would be found by the order of their calls alone"),
    (attacker.no_attacker_learns_to_tell, "a model would find incidents without looking at what they do"),
    (triviality.no_one_liner_solves_it, "the scenario would not tell good detectors from bad ones"),
    (placement.incidents_are_rare, "precision would look better than it can be in production"),
    (placement.incidents_lie_evenly, "a detector that grows more suspicious with time would look good"),
    (look_alikes.every_technique_has_a_look_alike, "novelty alone would have perfect precision"),
    (verdicts.references_hold, "the measurement itself would be wrong"),
    (verdicts.detectors_stand_in_the_useful_range, "a scenario that is too easy or too hard ranks nobody"),
    (verdicts.no_detector_looks_ahead, "what uses later events cannot run in production"),
    (coverage.intervals_cover, "intervals would promise more than they hold"),
    (verdicts.equals_are_called_equal, "differences between detectors would be luck"),
)
"""Every row of the audit, with the reason why it matters."""

OF_A_LOG: Final = (
    labels.labels_are_sane,
    leakage.no_field_leaks,
    words.words_are_ordinary,
    triviality.no_one_liner_solves_it,
    placement.incidents_are_rare,
)
"""The rows that need nothing but a log and its truth: those for incidents that were injected into a real log."""


def audit(
    scenario: Scenario,
    detectors: Sequence[str],
    seeds: Sequence[int],
    progress: Progress,
    workers: Workers = ALONE,
) -> list[Row]:
    """Audit a scenario on the worlds of some seeds, with detectors by name (the references are added)."""
    chosen = resolve(detectors)
    worlds: list[LabelledWorld] = []
    for i, seed in enumerate(seeds):
        progress(0.3 * i / len(seeds), f"simulating world {seed}")
        worlds.append(make_world(scenario, seed))
    results = run_on_worlds(worlds, chosen, part_of(progress, 0.3, 0.3), workers)
    return list(rows(Subject(scenario, worlds, chosen, results), progress))


def audit_log(world: LabelledWorld) -> list[Row]:
    """Audit a real log with incidents in it: what was put in must not give itself away."""
    subject = Subject(world.scenario, [world], {}, {})  # type: ignore[arg-type]  # those rows ask for no scenario
    return [replace(check(subject), why=why) for check, why in CHECKS if check in OF_A_LOG]


def rows(subject: Subject, progress: Progress = silent) -> Iterator[Row]:
    """Every row for a subject, in order."""
    for i, (check, why) in enumerate(CHECKS):
        progress(0.6 + 0.4 * i / len(CHECKS), check.__name__.replace("_", " "))
        yield replace(check(subject), why=why)
