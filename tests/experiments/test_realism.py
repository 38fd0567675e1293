"""Realism: distances know what they measure, targets are checked where they stand, the page says what the data say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scopedrift.experiments.cli import app
from scopedrift.experiments.realism import distances, reductions
from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.compare import EMPTY, MET, MISSED, row
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


def test_the_command_holds_a_small_world_to_given_targets(tmp_path):
    scenario, mine = tmp_path / "small.yaml", tmp_path / "mine.yaml"
    scenario.write_text(
        "name: small\nhorizon: 3d\nwindows: {baseline: 1d, calibration: 1d}\nworkloads: {training: {pipelines: 6}}\n"
    )
    mine.write_text("targets:\n  audit.denied: {value: 0.9, tolerance: 0.01, source: nowhere}\n")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["realism", str(scenario), "--targets", str(mine), "--json", "--out", str(out)])
    assert done.exit_code == 1, done.output
    (found,) = json.loads(done.stdout)["statistics"]
    assert (found["name"], found["verdict"]) == ("audit.denied", "missed")
    assert found["straw_man"] == pytest.approx(0.4, abs=0.01)
    mine.write_text("targets:\n  audit.denied: {value: 0.9}\n")
    assert CliRunner().invoke(app, ["realism", str(scenario), "--targets", str(mine)]).exit_code == 2


def test_the_page_shows_the_targets_as_they_are():
    assert table() in PAGE.read_text(), "run `make pages` to bring it up to date"
