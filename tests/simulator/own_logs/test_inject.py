"""Incidents in a real log: the background is untouched, what is injected is made of it, and the truth fits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors import loading
from scopedrift.experiments.audit import audit_log
from scopedrift.experiments.audit.leakage import no_field_leaks
from scopedrift.experiments.audit.subject import Subject
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.windows import Windows
from scopedrift.scenarios.loader import load, override
from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import SECOND, TIMES, Vocabulary
from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.simulator.log.truth import ATTACK, BENIGN_CHANGE
from scopedrift.simulator.log.truth_file import ROWS
from scopedrift.simulator.own_logs.events import listed
from scopedrift.simulator.own_logs.inject import inject as inject_into
from scopedrift.simulator.own_logs.merge import renumbered
from scopedrift.simulator.own_logs.world import RealWorld, load_world
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.writing.exporter import export_log

DATA = Path(__file__).parents[1] / "records" / "reading" / "data"
THEFT = IncidentSpec(attack="token-theft", count=3)


def inject(log, specs, *, learn=0.5, calibrate=0.2, **options):
    """Incidents in a log that has none."""
    return inject_into(RealWorld.of("x", log, learn, calibrate), specs, **options)


@pytest.fixture(scope="module")
def trail():
    return import_log(DATA / "invictus.json").log


def without(log, positions):
    """The log less some events, with codes numbered as if they had never been."""
    kept = np.ones(len(log), bool)
    kept[positions] = False
    columns, texts = {}, log.vocabulary.texts()
    for name, values in log.batch(0, len(log)).columns.items():
        columns[name] = values[kept]
        if name in texts:
            columns[name], texts[name] = renumbered(columns[name], texts[name])
    return EventLog.from_columns(columns, Vocabulary(texts))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), strength=st.floats(0, 1), sample=st.sampled_from(["invictus.json", "falco.jsonl"]))
def test_the_background_is_the_log_as_it_was(seed, strength, sample):
    log = import_log(DATA / sample).log
    attack = "token-theft" if sample == "invictus.json" else "rogue-job"
    world, told = inject(log, [IncidentSpec(attack=attack, count=2, strength=strength)], seed=seed)
    assert len(world.log) == len(log) + told.events and told.events == len(world.truth.event)
    assert without(world.log, world.truth.event).digest == log.digest


def test_the_same_seed_gives_the_same_log_and_another_one_another(trail):
    digests = [inject(trail, [THEFT], seed=seed)[0].log.digest for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_incidents_lie_in_the_test_part_and_the_truth_knows_their_events(trail):
    world, _ = inject(trail, [THEFT], seed=3)
    test = Windows.of(world.scenario, world.log).test
    assert test.start <= world.truth.event.min() and world.truth.event.max() < test.stop
    assert set(world.truth.label.tolist()) == {ATTACK}
    times = world.log.batch(0, len(world.log))["time"]
    for index, incident in enumerate(world.truth.incidents):
        own = world.truth.event[world.truth.incident == index]
        assert times[own].min() == incident.first_observable_at
        assert incident.id == f"token-theft-{index + 1}"


def test_events_are_made_of_what_is_in_the_log(trail):
    world, _ = inject(trail, [IncidentSpec(attack="token-theft", count=5)], seed=0)
    before, after = trail.frame(), world.log.frame()
    injected = after.iloc[world.truth.event]
    assert not (injected["time"].dt.microsecond.any() or (injected["arrived"] != injected["time"]).any())
    for column in ("identity", "source", "credential", "resource", "stream", "workload"):
        assert set(injected[column].dropna()) <= set(before[column].dropna())
    for column in ("task_kind", "on_behalf_of"):
        assert injected[column].isna().all() == before[column].isna().all()


def test_an_incident_hits_the_identity_that_was_named(trail):
    world, _ = inject(trail, [THEFT], seed=0, identity="benjamin")
    assert {incident.identity for incident in world.truth.incidents} == {"arn:aws:iam::123837392027:user/benjamin"}


def test_most_calls_of_a_mix_are_made_in_order():
    rng, first = np.random.default_rng(0), 0
    for _ in range(200):
        calls = listed({"storage.read": 1.0, "storage.list": 1.0}, (), 12, rng)
        first += calls[0] == "storage.list"
    assert 130 < first < 195, "drawn in any order it would be 100, in strict order nearly 200"


def refused(trail):
    """The log, in which every call to list and read secrets and assume roles is refused."""
    batch = trail.batch(0, len(trail))
    columns, texts = dict(batch.columns), trail.vocabulary.texts()
    texts["outcome"] = [*texts["outcome"], *({"denied"} - set(texts["outcome"]))]
    columns["outcome"] = np.full(len(trail), texts["outcome"].index("denied"), np.int32)
    columns["outcome"], texts["outcome"] = renumbered(columns["outcome"], texts["outcome"])
    columns["operation"] = np.zeros(len(trail), np.int32)
    texts["operation"] = ["AssumeRole"]
    columns["service"], texts["service"] = np.zeros(len(trail), np.int32), ["sts"]
    return EventLog.from_columns(columns, Vocabulary(texts))


def test_what_the_log_shows_refused_and_never_granted_is_refused_again(trail):
    world, _ = inject(refused(trail), [THEFT], seed=0, identity="bert-jan")
    for incident in world.truth.incidents:
        assert incident.stages[0].outcome == "denied" and not incident.in_entitlement
    injected = world.log.frame().iloc[world.truth.event]
    assert set(injected["outcome"][injected["operation"] == "AssumeRole"]) == {"denied"}


def test_a_saved_world_is_judged_as_the_one_in_memory(trail, tmp_path):
    world, _ = inject(trail, [THEFT], seed=1)
    world.save(tmp_path)
    loaded = load_world(tmp_path)
    assert loaded.scenario == world.scenario and loaded.truth.incidents == world.truth.incidents
    assert loaded.log.digest == world.log.digest
    detector = loading.load("first-seen")
    assert evaluate(detector, loaded).metrics["recall"] == evaluate(detector, world).metrics["recall"]


def test_a_second_injection_keeps_the_first(trail, tmp_path):
    first, _ = inject(trail, [THEFT], seed=1)
    first.save(tmp_path)
    again, _ = inject_into(load_world(tmp_path), [THEFT], seed=2)
    assert [i.id for i in again.truth.incidents] == [f"token-theft-{n}" for n in range(1, 7)]
    assert again.scenario == first.scenario
    old = again.truth.event[again.truth.incident < 3]
    assert again.log.frame().iloc[old]["operation"].tolist() == (
        first.log.frame().iloc[first.truth.event]["operation"].tolist()
    )
    assert without(again.log, again.truth.event[again.truth.incident >= 3]).digest == first.log.digest


@pytest.mark.parametrize(
    ("name", "changed"),
    {
        "an identity that is not there": {"identity": "nobody-at-all"},
        "a name that several have": {"identity": "arn"},
        "nothing to judge on": {"learn": 0.9, "calibrate": 0.1},
    }.items(),
)
def test_what_makes_no_sense_is_said(trail, name, changed):
    with pytest.raises(LogError):
        inject(trail, [THEFT], seed=0, **changed)


def test_an_incident_that_the_log_could_not_show_is_refused():
    log = import_log(DATA / "falco.jsonl").log
    with pytest.raises(LogError, match="it records no"):
        inject(log, [IncidentSpec(attack="amazon-q")], seed=0, identity="minikube-user")


def test_damage_is_said(trail, tmp_path):
    world, _ = inject(trail, [THEFT], seed=1)
    world.save(tmp_path)
    (tmp_path / ROWS).write_bytes(b"PAR1")
    with pytest.raises(LogFormatError, match="damaged truth"):
        load_world(tmp_path)
    (tmp_path / ROWS).unlink()
    with pytest.raises(LogFormatError, match="no truth"):
        load_world(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tick", [1, SECOND])
def test_no_field_tells_what_was_injected(tick):
    """Backgrounds of many identities, whose times are exact, or whole seconds as in CloudTrail.

    As in the audit logs of clouds and clusters, nothing says what kind of task an event is of: with a handful of kinds,
    the parity of a code would be the kind itself, and that says who was hit, which is behaviour.
    """
    small = {"incidents": [], "changes": [], "load": 0.1, "horizon": "4d"}
    scenario = override(load("quickstart"), {**small, "windows.baseline": "1d", "windows.calibration": "1d"})
    chains = ("token-theft", "rogue-job", "codefinger", "eight-minute-intrusion")
    worlds = []
    for seed in range(4):
        log = simulate(scenario, seed).log
        columns = dict(log.batch(0, len(log)).columns)
        columns |= {name: columns[name] // tick * tick for name in TIMES}
        del columns["task_kind"]
        log = EventLog.from_columns(columns, log.vocabulary)
        specs = [IncidentSpec(attack=chain, count=4, strength=0.3) for chain in chains]
        worlds.append(inject(log, specs, seed=seed, learn=0.4)[0])
    row = no_field_leaks(Subject(scenario, worlds, {}, {}))
    assert row.verdict == "pass", row.seen


def test_benign_changes_are_no_incidents(trail):
    world, told = inject(trail, [THEFT, ChangeSpec(kind="rotation-storm", count=2)], seed=0)
    assert [change.id for change in world.truth.changes] == ["rotation-storm-1", "rotation-storm-2"]
    assert set(world.truth.label.tolist()) == {BENIGN_CHANGE, ATTACK}
    assert set(world.truth.change_of(0, len(world.log)).tolist()) == {-1, 0, 1}
    assert set(world.truth.incident_of(0, len(world.log)).tolist()) == {-1, 0, 1, 2}
    assert without(world.log, world.truth.event).digest == trail.digest and told.events == len(world.truth.event)


def test_a_change_that_would_alter_records_is_refused(trail):
    with pytest.raises(LogError, match=r"expected one of .*rotation-storm"):
        inject(trail, [ChangeSpec(kind="traffic-surge")], seed=0)


def test_calls_that_nobody_makes_are_left_out_unless_they_are_wanted(trail):
    spec = [IncidentSpec(attack="codefinger", count=4)]
    known = set(trail.frame()["operation"])
    plain, told = inject(trail, spec, seed=0)
    assert set(plain.log.frame()["operation"]) <= known
    assert "new" not in {call.how for call in told.calls}
    wanted, told = inject(trail, spec, seed=0, new_calls=True)
    assert {call.form.operation for call in told.calls if call.how == "new"} and told.events
    assert set(wanted.log.frame()["operation"]) - known


def test_an_incident_of_nothing_but_new_calls_is_put_in_and_said():
    log = import_log(DATA / "falco.jsonl").log
    spec = [IncidentSpec(attack="token-theft", count=1)]
    told = inject(log, spec, seed=0, identity="minikube-user")[1]
    assert told.events and {call.shown for call in told.calls if call.how == "new"} == {
        "kubernetes create serviceaccounts/token"
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_truth_has_no_contradiction_and_no_word_gives_incidents_away(trail, seed):
    specs = [IncidentSpec(attack=name, count=2) for name in ("token-theft", "eight-minute-intrusion")]
    specs += [IncidentSpec(drift="eager-retry", count=2)]
    rows = {row.check: row for row in audit_log(inject(trail, specs, seed=seed)[0])}
    assert rows["labels"].ok, rows["labels"].seen
    assert rows["words"].ok, rows["words"].seen


def platform(busy=0.02):
    small = {"incidents": [], "changes": [], "load": busy, "horizon": "3d"}
    scenario = override(load("quickstart"), {**small, "windows.baseline": "1d", "windows.calibration": "1d"})
    return simulate(scenario, 0).log


def test_ids_of_one_victim_say_nothing_about_leaks():
    log = platform(busy=0.1)
    busiest = log.frame()["identity"].value_counts().index[0]
    specs = [IncidentSpec(attack="token-theft", count=20)]
    world, _ = inject(log, specs, seed=0, identity=busiest, learn=0.3)
    row = no_field_leaks(Subject(None, [world], {}, {}))
    assert row.verdict == "too small" and "cannot be judged" in row.seen, row.seen


def google(tmp_path):
    export_log(platform(), "gcp", tmp_path / "gcp")
    return import_log(tmp_path / "gcp").log


def test_a_google_cloud_log_gets_incidents_in_its_own_words(tmp_path):
    log = google(tmp_path)
    world, told = inject(log, [IncidentSpec(attack="token-theft", count=3)], seed=0)
    before, after = log.frame(), world.log.frame().iloc[world.truth.event]
    assert without(world.log, world.truth.event).digest == log.digest
    for column in ("service", "operation", "resource", "identity", "project"):
        assert set(after[column].dropna()) <= set(before[column].dropna())
    forms = {call.operation.operation: call.form.shown for call in told.calls}
    assert forms["GetObject"] == "storage storage.objects.get"
    assert {"storage.objects.get", "GenerateAccessToken"} & set(after["operation"])
