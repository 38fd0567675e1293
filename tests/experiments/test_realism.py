"""Realism: distances know what they measure, targets are checked where they stand, the page says what the data say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import scopedrift as sd
from scopedrift.experiments.cli import app
from scopedrift.experiments.realism import distances, habits, reductions
from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.compare import EMPTY, MET, MISSED, Agreement, row
from scopedrift.experiments.realism.page import table
from scopedrift.experiments.realism.statistic import Measured, measure
from scopedrift.experiments.realism.targets import Target, load
from scopedrift.experiments.realism.traces import targets_from
from scopedrift.scenarios.documents import ScenarioError

CURVE = {0.1: 1.0, 0.5: 10.0, 0.9: 100.0}
DAY = 86_400.0
PAGE = Path(__file__).parents[2] / "docs" / "realism.md"


def test_a_factor_of_two_is_its_logarithm():
    doubled = distances.wasserstein(CURVE, lambda p: 2 * distances.at(CURVE, p))
    assert doubled == pytest.approx(np.log(2))
    assert distances.ks(CURVE, lambda p: distances.at(CURVE, p)) < 0.01
    assert distances.ks(CURVE, lambda p: 1000 * distances.at(CURVE, p)) == pytest.approx(0.9)


def test_shares_are_compared_by_total_variation():
    assert distances.of_shares({"a": 3, "b": 1}, {"a": 0.75, "b": 0.25}) == 0
    assert distances.of_shares({"a": 1.0}, {"b": 1.0}) == 1


def test_a_poisson_process_has_a_fano_factor_of_one_and_bursts_have_more():
    times = (np.random.default_rng(0).uniform(0, 28 * DAY, 20_000),)
    assert reductions.fano(3600.0)(times) == pytest.approx(1, abs=0.15)
    assert reductions.fano(3600.0)((np.repeat(times[0], 8),)) == pytest.approx(8, rel=0.15)
    assert reductions.weekend(times) == pytest.approx(1, abs=0.05)


def test_gaps_that_are_even_do_not_vary():
    who, when = np.repeat([1, 2], 100), np.tile(np.arange(100.0), 2)
    assert reductions.gap_cv()((who, when)) == pytest.approx([0, 0], abs=1e-9)


def test_independent_steps_tell_nothing_about_the_next():
    rng = np.random.default_rng(1)
    sample = (np.zeros(50_000), rng.integers(0, 4, 50_000))
    assert reductions.entropy(sample) == pytest.approx(2, abs=0.01)
    assert reductions.conditional_entropy(sample) == pytest.approx(2, abs=0.01)
    cycle = (sample[0], np.arange(50_000) % 4)
    assert reductions.conditional_entropy(cycle) == pytest.approx(0, abs=1e-6)


def pipelines(habit: float) -> tuple[np.ndarray, np.ndarray]:
    """Runs of 40 pipelines in turn; `habit` is the share of the variance of log length that lies between them."""
    rng = np.random.default_rng(3)
    who = np.tile(np.arange(40), 60)
    own = np.sqrt(habit) * rng.normal(size=40)
    return who, np.exp(own[who] + np.sqrt(1 - habit) * rng.normal(size=len(who)))


def test_lengths_show_whether_pipelines_have_habits():
    assert habits.within_share(pipelines(0.0)) == pytest.approx(1, abs=0.03)
    assert habits.within_share(pipelines(0.4)) == pytest.approx(0.6, abs=0.12)
    assert habits.previous_correlation(pipelines(0.0)) == pytest.approx(0, abs=0.05)
    assert habits.previous_correlation(pipelines(0.4)) == pytest.approx(0.4, abs=0.12)
    assert habits.within_share(habits.as_anybodys(pipelines(0.9))) == pytest.approx(1, abs=0.05)


def test_a_small_job_is_the_measure_of_large_ones():
    sizes, lengths = np.array([1.0, 1, 1, 4, 4, 8]), np.array([10.0, 20, np.nan, 30, 60, 150])
    assert habits.median_ratio(2, 4)((sizes, lengths)) == pytest.approx(3)
    assert habits.median_ratio(5, 8)((sizes, lengths)) == pytest.approx(10)
    assert np.isnan(habits.median_ratio(9, 99)((sizes, lengths)))
    assert habits.weighted_share((sizes == 8, lengths)) == pytest.approx(150 / 270)


def test_a_broken_caller_fails_again_and_others_never():
    who = np.repeat([0, 1, 2], 10)
    what = np.tile([5, 6], 15)
    failed = np.where(who == 0, 1.0, 0.0)
    failed[[10, 29]] = 1.0  # once each, by the two others
    sample = (who, what, failed)
    assert habits.pairs_that(fail=True)(sample) == pytest.approx(2 / 6)
    assert habits.pairs_that(fail=False)(sample) == pytest.approx(2 / 6)
    assert habits.repeated_failures(sample) == pytest.approx(9 / 10)
    assert habits.repeated_failures(habits.as_any_call(sample)) < 0.8


def test_objects_are_counted_in_spells_of_forty_events():
    who = np.repeat([0, 1, 2], [80, 45, 10])
    fresh = np.arange(len(who))
    assert habits.distinct_objects((who, fresh)) == 1
    assert habits.distinct_objects((who, np.zeros_like(fresh))) == pytest.approx(1 / 40)
    assert np.isnan(habits.distinct_objects((who[-10:], fresh[-10:])))


def test_the_busiest_caller_speaks_for_nobody_else():
    even, other = np.arange(100.0), np.array([0.0, 1, 50])
    sample = (np.repeat([0, 1], [100, 3]), np.concatenate([even, other]))
    assert habits.busiest_variation(sample) == pytest.approx(0, abs=1e-9)


def test_a_row_holds_over_worlds_if_it_does_in_eleven_of_twelve():
    statistic = statistics()["training.fano_hour"]
    target = Target(statistic.name, 39.0, "ratio", 0.5, "x")

    def over(misses: int, straw: float = 1.0) -> Agreement:
        values = [5.0] * misses + [35.0] * (12 - misses)
        return Agreement(tuple(row(statistic, target, Measured(value, straw, 100)) for value in values))

    assert (over(1).verdict, over(2).verdict, over(0, straw=38.0).verdict) == (MET, MISSED, EMPTY)
    assert over(1).within == pytest.approx(11 / 12) and over(1).spread > 0
    assert over(0).simulated() == 35.0
    assert not over(0).narrow and over(0, straw=39 * np.exp(-0.55)).narrow


def test_a_row_that_its_straw_man_passes_is_not_counted():
    statistic = statistics()["training.fano_hour"]
    for straw, value, verdict in ((1.0, 35.0, MET), (1.0, 5.0, MISSED), (38.0, 39.0, EMPTY)):
        held = row(statistic, Target(statistic.name, 39.0, "ratio", 0.5, "x"), Measured(value, straw, 100))
        assert held.verdict == verdict


def test_too_few_values_are_a_miss():
    statistic = statistics()["training.duration"]
    measured = measure(statistic, (np.ones(3),))
    assert row(statistic, load()[statistic.name], measured).verdict == MISSED


def test_every_target_names_its_source_and_most_can_tell_a_straw_man():
    targets = load()
    assert len(targets) >= 25
    assert all(target.source for target in targets.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets:\n  training.durations: {value: 1}\n", "mine.yaml:2: targets.training.durations: unknown statistic"),
        ("targets:\n  training.peak:\n    value: x\n    source: s\n", "mine.yaml:3: targets.training.peak.value"),
        ("targets:\n  training.peak: {value: 1, source: s}\n", "targets.training.peak.tolerance: expected a number"),
        ("targets:\n  training.peak: {value: 1, tolerance: 1}\n", "targets.training.peak.source: expected a source"),
        ("target: {}\n", "mine.yaml:1: target: unknown key"),
        (
            "targets:\n  training.duration:\n    quantiles: {0.5: 9, 0.9: 3}\n    tolerance: 1\n    source: s\n",
            "expected quantiles in ascending order",
        ),
    ],
)
def test_a_bad_targets_file_is_answered_with_place_and_key(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert said in str(caught.value)


def test_a_trace_sets_targets_by_its_columns(tmp_path):
    file = tmp_path / "jobs.csv"
    rng = np.random.default_rng(2)
    lines = [f"2026-01-{1 + i % 28:02d}T10:00:00Z,{x:.3f}" for i, x in enumerate(rng.exponential(100, 500))]
    file.write_text("start,run_s\n" + "\n".join(lines) + "\n")
    found = targets_from(file, ["training.duration=run_s", "training.peak=start"])
    assert found["training.duration"].value[0.5] == pytest.approx(69, rel=0.2)
    assert found["training.peak"].value == pytest.approx(8)  # all in one hour, as a mean of three
    for mapping, said in (("training.duration=run", "did you mean 'run_s'"), ("nothing", "STATISTIC=COLUMN")):
        with pytest.raises(ScenarioError, match=said):
            targets_from(file, [mapping])


def test_a_category_of_a_trace_is_a_column_of_ones_and_zeros(tmp_path):
    file = tmp_path / "jobs.csv"
    file.write_text("status\n" + "Pass\n" * 60 + "Killed\n" * 40)
    assert targets_from(file, ["training.completed=status:Pass"])["training.completed"].value == pytest.approx(0.6)
    for mapping, said in (("status:Passed", "never holds 'Passed'; it holds Pass, Killed"), ("state:Pass", "'state'")):
        with pytest.raises(ScenarioError, match=said):
            targets_from(file, [f"training.completed={mapping}"])


def test_rows_of_a_trace_stay_whole_where_values_are_missing(tmp_path):
    who, length = pipelines(0.9)
    file = tmp_path / "runs.csv"
    rows = [f"p{w},{x:.3f},pod-{i}" for i, (w, x) in enumerate(zip(who, length, strict=True))]
    file.write_text("who,run_s,pod\n" + "\n".join(["p1,,a", ",5,b", *rows]) + "\n")
    found = targets_from(file, ["training.length_within=who+run_s", "kubernetes.objects=who+pod"])
    assert found["training.length_within"].value == pytest.approx(habits.within_share((who, length)), abs=0.01)
    assert found["kubernetes.objects"].value == 1


def test_a_world_with_too_few_values_hides_no_straw_man():
    statistic = statistics()["training.fano_hour"]
    target = Target(statistic.name, 39.0, "ratio", 0.5, "x")
    measured = [Measured(39.0, 38.0, 100)] * 11 + [Measured(None, None, 3)]
    assert Agreement(tuple(row(statistic, target, each) for each in measured)).verdict == EMPTY


def test_streams_are_measured_apart_and_a_log_as_its_world_is(tmp_path):
    world = sd.simulate("tiny", seed=0)
    folder = tmp_path / "world"
    world.save(folder)
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "targets:\n"
        + "".join(f"  {name}.operations: {{value: 9, tolerance: 1, source: s}}\n" for name in ("kubernetes", "cloud"))
    )
    found = sd.realism(world, targets=mine)
    for stream, name in (("kubernetes_audit", "kubernetes"), ("cloud_audit", "cloud")):
        events = world.events[world.events["stream"] == stream]
        measured = next(each for each in found.rows if each.statistic.name == f"{name}.operations")
        assert measured.simulated() == events["operation"].nunique()
    done = CliRunner().invoke(app, ["realism", "--log", str(folder), "--targets", str(mine), "--json"])
    assert [(each["simulated"], each["distance"]) for each in json.loads(done.stdout)["statistics"]] == [
        (row.simulated(), row.distance) for row in found.rows
    ]
    assert CliRunner().invoke(app, ["realism", "tiny", "--log", str(folder)]).exit_code == 2


def test_the_command_holds_a_small_world_to_given_targets(tmp_path):
    scenario, mine = tmp_path / "small.yaml", tmp_path / "mine.yaml"
    scenario.write_text(
        "name: small\nhorizon: 3d\nwindows: {baseline: 1d, calibration: 1d}\nworkloads: {training: {pipelines: 6}}\n"
    )
    mine.write_text("targets:\n  cloud.denied: {value: 0.9, tolerance: 0.01, source: nowhere}\n")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["realism", str(scenario), "--targets", str(mine), "--json", "--out", str(out)])
    assert done.exit_code == 1, done.output
    (found,) = json.loads(done.stdout)["statistics"]
    assert (found["name"], found["verdict"]) == ("cloud.denied", "missed")
    assert found["straw_man"] == pytest.approx(0.4, abs=0.01)
    assert "NaN" not in (out / "realism.json").read_text()
    mine.write_text("targets:\n  cloud.denied: {value: 0.9}\n")
    assert CliRunner().invoke(app, ["realism", str(scenario), "--targets", str(mine)]).exit_code == 2


def test_the_page_shows_the_targets_as_they_are():
    assert table() in PAGE.read_text(), "run `make pages` to bring it up to date"
