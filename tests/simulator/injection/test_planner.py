"""The planner alone, on a backend of the tests: what an adversary decides does not depend on where it acts."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Pace, Targets, Technique
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.injection.attempt import AIMS, attempt
from scopedrift.simulator.injection.backend import Backend, Foothold, StageCalls, Standing, Victim
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.injection.incidents import ATTEMPTS, play
from scopedrift.simulator.injection.plan import IncidentPlan, choose_stages, lengths
from scopedrift.simulator.injection.tempo import LONG, ROOM, squeezed, tempo_of
from scopedrift.simulator.log.events import DAY, HOUR
from scopedrift.simulator.log.truth import Incident
from scopedrift.simulator.runtime.platform import Process

ENOUGH = catalogue.Enough(stages=1, events=2)
STRENGTHS = st.floats(0.0, 1.0)
SEEDS = st.integers(0, 2**32)
TECHNIQUES = st.sampled_from([each for each in catalogue.techniques().values() if not each.refused])
SPECS = st.one_of(
    st.sampled_from(sorted(catalogue.chains())).map(lambda name: {"attack": name}),
    st.sampled_from(sorted({*catalogue.drifts()} - {"eager-retry"})).map(lambda name: {"drift": name}),
)


@dataclass
class Place:
    inside: bool = True
    expires: int = -1


class Stub(Backend[Targets]):
    """Refuses the calls that it is told to refuse, and remembers what was logged."""

    def __init__(self, refused: Iterable[str] = (), usual: bool = False) -> None:
        self.env = simpy.Environment()
        self.hold: Foothold = Place()
        self.refused = frozenset(refused)
        self.likes = usual
        self.aimed = 0
        self.logged: list[StageCalls] = []

    @property
    def now(self) -> int:
        return int(self.env.now)

    def wait(self, duration: int) -> simpy.Event:
        return self.env.timeout(duration)

    def find_victim(self) -> Victim:
        return Victim("spiffe://x", "victim")

    def take_foothold(self) -> Process:
        yield from ()

    def usual(self, call: str) -> bool:
        return self.likes

    def aim(self, targets: Targets) -> Targets:
        self.aimed += 1
        return targets

    def standings(self, calls: Iterable[str], aim: Targets) -> tuple[Targets, list[Standing]]:
        return aim, [Standing(call not in self.refused, True, call not in self.refused) for call in calls]

    def habit(self) -> None:
        return None

    def perform(self, calls: StageCalls, aim: Targets) -> Generator[simpy.Event, object, bool]:
        self.logged.append(calls)
        yield self.wait(calls.lasts)
        return True


def played(given: dict[str, str], strength: float, seed: int, backend: Stub) -> Incident:
    spec, rng = IncidentSpec.model_validate({**given, "strength": strength}), np.random.default_rng(seed)
    stages = choose_stages(spec.entry, rng)
    plan = IncidentPlan("x-1", spec, stages, tempo_of(lengths(stages), strength, DAY), 0, 0)
    incidents = IncidentLog(1 << 62)
    backend.env.process(play(backend, plan, incidents, rng))
    backend.env.run()
    (incident,) = incidents.truth().incidents
    return incident


@given(TECHNIQUES, STRENGTHS, SEEDS)
def test_without_refusals_everything_needed_is_done(technique: Technique, strength: float, seed: int) -> None:
    found = attempt(Stub(), technique, {}, strength, np.random.default_rng(seed))
    assert found.succeeds and not found.refused and set(technique.needs) <= set(found.made)


@given(TECHNIQUES, STRENGTHS, SEEDS)
def test_a_needed_call_that_is_refused_fails_the_technique(technique: Technique, strength: float, seed: int) -> None:
    backend = Stub(refused=technique.needs[:1])
    found = attempt(backend, technique, {}, strength, np.random.default_rng(seed))
    assert not found.succeeds and not found.made and technique.needs[0] in found.refused
    assert not found.in_entitlement
    assert backend.aimed == 1 + round(AIMS * strength), "the strong look further for a target"


@given(TECHNIQUES, SEEDS)
def test_at_full_strength_only_what_the_victim_does_anyway_is_added(technique: Technique, seed: int) -> None:
    found = attempt(Stub(usual=False), technique, {}, 1.0, np.random.default_rng(seed))
    assert set(found.made) == set(technique.needs)
    everything = set(technique.activity.operations)
    assert set(attempt(Stub(usual=True), technique, {}, 1.0, np.random.default_rng(seed)).made) == everything
    optional = everything - set(technique.needs)
    avoided = attempt(Stub(refused=optional, usual=True), technique, {}, 1.0, np.random.default_rng(seed))
    assert not avoided.refused, "nobody who knows a refusal asks for it"


@given(SPECS, STRENGTHS, SEEDS)
def test_an_incident_that_nothing_refuses_is_completed(given: dict[str, str], strength: float, seed: int) -> None:
    backend = Stub()
    incident = played(given, strength, seed, backend)
    assert incident.end_reason == "completed" and incident.in_entitlement and incident.impact_at >= 0
    assert {stage.outcome for stage in incident.stages} <= {"success", "skipped"}
    assert {calls.how for calls in backend.logged} == {"made"}


@given(SPECS, STRENGTHS, SEEDS)
def test_refusals_are_logged_and_end_what_they_must(given: dict[str, str], strength: float, seed: int) -> None:
    backend = Stub(refused=catalogue.operations())
    incident = played(given, strength, seed, backend)
    assert incident.end_reason == "denied" and incident.impact_at < 0
    assert all(calls.how == "refused" and calls.count == ATTEMPTS * len(calls.weights) for calls in backend.logged)
    tried = [stage for stage in incident.stages if stage.outcome != "skipped"]
    assert tried and all(stage.outcome == "denied" for stage in tried)


def vital(given: dict[str, str]) -> Iterator[bool]:
    spec = IncidentSpec.model_validate(given)
    for alternatives in spec.entry.stages:
        yield all(stage.vital for stage in alternatives)


@given(SPECS, SEEDS)
def test_the_stage_that_ends_an_incident_is_the_first_that_it_cannot_do_without(
    given: dict[str, str], seed: int
) -> None:
    incident = played(given, 0.0, seed, Stub(refused=catalogue.operations()))
    places = [place for place, needed in enumerate(vital(given)) if needed]
    assert len(incident.stages) >= 1 + min(places)


@given(SPECS, STRENGTHS, st.integers(HOUR // 60, 30 * DAY))
def test_the_tempo_fits_the_window(given: dict[str, str], strength: float, window: int) -> None:
    spec = IncidentSpec.model_validate(given)
    waits = lengths(choose_stages(spec.entry, np.random.default_rng(0)))
    tempo = squeezed(tempo_of(waits, strength, window), waits, window)
    assert tempo.expected(waits) <= ROOM * window * (1 + 1e-9)
    assert 0 < tempo.scale <= 1 and 0 < tempo.squeeze <= 1


@pytest.mark.parametrize("text", ["seconds", "1m", "30m"])
def test_short_lengths_keep_what_makes_an_incident_what_it_is(text: str) -> None:
    pace, rng = Pace.parse(text), np.random.default_rng(0)
    tempo = tempo_of([pace, Pace.parse("95d")], 0.0, DAY)
    assert tempo.scale < 1 and pace.high < LONG
    drawn = [tempo.draw(pace, rng) for _ in range(200)]
    assert all(pace.low - 1 <= each <= pace.high + 1 for each in drawn)


def test_known_incidents_keep_their_places_in_the_truth() -> None:
    first = IncidentLog(100)
    code = first.code("attack", first.open_incident(_incident("a"), ENOUGH).index, 0, "mine")
    first.note(0, np.array([10, 20, 30]), np.array([0, code, code]))
    known = first.truth()
    again = IncidentLog(100, known)
    code = again.code("attack", again.open_incident(_incident("b"), ENOUGH).index, 0, "beacon")
    again.note(0, np.array([10, 15, 20, 30]), np.array([0, code, 0, 0]))
    truth = again.truth(moved=np.array([2, 3]))
    assert truth.event.tolist() == [1, 2, 3] and truth.incident.tolist() == [1, 0, 0]
    assert [truth.techniques[number] for number in truth.technique] == ["beacon", "mine", "mine"]
    assert [(incident.id, incident.first_observable_at) for incident in truth.incidents] == [("a", 20), ("b", 15)]
    assert [incident.enough for incident in truth.incidents] == [True, False], "of the second, one event is there"


def _incident(name: str) -> Incident:
    return Incident(name, "attack", "x", "who", "", "", 0.0, 0)


def test_an_incident_that_nobody_can_be_the_victim_of_does_not_happen() -> None:
    class Empty(Stub):
        def find_victim(self) -> None:
            return None

    backend = Empty()
    incident = played({"attack": "tj-actions"}, 0.2, 1, backend)
    assert incident.end_reason == "no victim" and not incident.stages and not backend.logged
    assert not incident.enough


@given(STRENGTHS, SEEDS)
def test_what_repeats_refusals_does_nothing_else(strength: float, seed: int) -> None:
    backend = Stub(refused=["storage.read"])
    incident = played({"drift": "eager-retry"}, strength, seed, backend)
    assert [set(calls.weights) for calls in backend.logged] == [{"storage.read"}] * len(incident.stages)
    assert {calls.how for calls in backend.logged} == {"refused"} and not incident.in_entitlement
    allowed = Stub()
    played({"drift": "eager-retry"}, strength, seed, allowed)
    assert not allowed.logged, "nothing is refused, so there is nothing to repeat"


@given(TECHNIQUES, STRENGTHS, SEEDS)
def test_a_call_comes_first_after_those_that_it_needs(technique: Technique, strength: float, seed: int) -> None:
    made, known = (
        attempt(Stub(usual=True), technique, {}, strength, np.random.default_rng(seed)).made,
        catalogue.operations(),
    )
    first = catalogue.opening(technique.activity, made, 1, known)
    if not technique.activity.sequence:
        for call in made:
            before = [each for each in known[call].after if each in made]
            assert set(before) <= set(first)
            assert call not in first or all(first.index(each) < first.index(call) for each in before)
