"""One incident in a real log: the stages of a chain or drift, one after the other, as far as the log can show them.

There is no live platform here to ask: no permissions, credentials that end, or queues.  A stage fails only where the
log shows its needed calls refused to the identity and never granted.  Waits are the catalogue's; where the
whole is expected to fill more than half of the test part, all of it is shortened (`Incident.time_scale`).
In the truth, `in_entitlement` says that nothing was refused, `in_scope` that the identity made such calls before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.injection.tempo import LONG, ROOM, STRETCH, Tempo, stage_lengths, tempo_of
from scopedrift.simulator.log.events import MISSING, SECOND, Array, Vocabulary
from scopedrift.simulator.log.truth import Incident, StageTruth
from scopedrift.simulator.own_logs import actors, events
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Calls


@dataclass
class Draft:
    """An incident in the making: its truth so far, and its events."""

    record: Incident
    stages: list[StageTruth] = field(default_factory=list)
    blocks: list[tuple[dict[str, Array], int, str]] = field(default_factory=list)
    """Columns of events, the stage they belong to, and its technique."""

    def add(self, columns: dict[str, Array], stage: int, technique: str) -> None:
        """Log the events of a stage."""
        if len(columns["time"]):
            self.blocks.append((columns, stage, technique))


@dataclass(frozen=True)
class Stage:
    """Where and as whom incidents take place."""

    background: Background
    calls: Calls
    words: Vocabulary
    """The log's texts, and those that incidents add."""
    test: tuple[int, int]
    """When the test part begins and ends."""


def act_out(where: Stage, name: str, spec: IncidentSpec, identity: int | None, rng: np.random.Generator) -> Draft:
    """One incident that begins at a random event of the test part."""
    background = where.background
    template = spec.entry
    stages = [_choose(alternatives, rng) for alternatives in template.stages]
    techniques = [stage.technique for stage in stages]
    begin, end = where.test
    tempo, squeeze = _tempo(stages, spec.strength, end - begin)
    tests = background.columns["arrived"][background.until :]
    now = int(tests[int(rng.random() * len(tests))])
    if identity is None:
        identity = actors.pick(background, where.calls, actors.victims(background), techniques, spec.strength, rng)
    hold = actors.take(background, identity, template.foothold, now, spec.strength, rng)
    own = int(hold.rows[0])
    record = Incident(
        id=name,
        label="attack" if spec.attack else "scope_drift",
        template=spec.template,
        identity=background.vocabulary["identity"][identity],
        workload=background.text("workload", own),
        family="",
        strength=spec.strength,
        intent_at=now,
        first_observable_at=MISSING,
        impact_at=MISSING,
        ended_at=MISSING,
        end_reason="",
        time_scale=tempo.scale * squeeze,
    )
    draft, ended = Draft(record), "completed"
    for number, stage in enumerate(stages):
        draft.stages.append(StageTruth(stage.name, stage.technique, now, now, "skipped", True, True))
        if rng.random() < stage.skip:
            continue
        now += max(round(tempo.draw(stage.wait, rng) * squeeze), 1)
        if now >= end:
            draft.stages[-1] = replace(draft.stages[-1], started_at=end, ended_at=end, outcome="horizon")
            ended = "horizon"
            break
        if _data(stage).image == "foreign" and not hold.images:
            hold = replace(hold, images={"foreign": events.foreign_image(background, hold, where.words, rng)})
        length = max(round(tempo.draw(stage_lengths(stage)[1], rng) * squeeze), 1)
        now, result = _play(where, draft, stage, number, hold, now, length, rng)
        if result == "denied" and stage.vital:
            ended = result
            break
        if result == "success" and _data(stage).yields == "identity":
            hold = actors.move_on(background, where.calls, hold, techniques[number + 1 :], spec.strength, rng)
    draft.record = replace(draft.record, ended_at=min(now, end), end_reason=ended, stages=tuple(draft.stages))
    return draft


def _play(
    where: Stage,
    draft: Draft,
    stage: catalogue.Stage,
    number: int,
    hold: actors.Hold,
    now: int,
    length: int,
    rng: np.random.Generator,
) -> tuple[int, str]:
    """One stage; returns when it was over, and its outcome."""
    background, strength, data = where.background, draft.record.strength, _data(stage)
    targets = {**data.targets, **stage.targets}
    plan = events.plan(background, where.calls, hold, data.activity, data.needs, strength, rng)
    began = now // (tick := max(background.ticks.values())) * tick  # a stage without an event begins as precisely

    def log(names: list[str], lasts: int, denied: bool) -> None:
        nonlocal now, began
        if not names:
            return
        times = events.moments(background, hold, now, len(names), lasts, strength, rng)
        columns = events.events(background, where.calls, hold, names, times, targets, denied, where.words, rng)
        began, now = min(began, int(columns["time"].min())), int(times[-1])
        draft.add(columns, number, stage.technique)

    log([name for name in plan.refused for _ in range(events.ATTEMPTS)], 20 * SECOND, denied=True)
    if plan.succeeds:
        if stage.impact:
            draft.record = replace(draft.record, impact_at=now)
        count = events.volume(background, hold, stage.count or data.count, plan.seen, strength, rng)
        log(events.chosen_calls(plan, bool(data.activity.sequence), count, rng), length, denied=False)
    outcome = "success" if plan.succeeds else "denied"
    draft.stages[-1] = replace(
        draft.stages[-1],
        started_at=began,
        ended_at=now,
        outcome=outcome,
        in_entitlement=not plan.refused,
        in_scope=plan.usual,
    )
    return now, outcome


def _data(stage: catalogue.Stage) -> catalogue.Technique:
    return catalogue.techniques()[stage.technique]


def _choose(branches: Sequence[catalogue.Stage], rng: np.random.Generator) -> catalogue.Stage:
    """One of the alternatives by their shares."""
    if len(branches) == 1:
        return branches[0]
    shares = np.array([stage.share for stage in branches])
    return branches[int(rng.choice(len(branches), p=shares / shares.sum()))]


def _tempo(stages: Sequence[catalogue.Stage], strength: float, window: int) -> tuple[Tempo, float]:
    """The catalogue's tempo for the window, and what everything is multiplied with where even that is too long."""
    lengths = [stage_lengths(stage) for stage in stages]
    tempo = tempo_of(lengths, strength, window)
    expected = [each.typical * STRETCH**strength for pair in lengths for each in pair]
    whole = sum(each * tempo.scale if each >= LONG else each for each in expected)
    return tempo, min(1.0, ROOM * window / whole)
