"""A simulated world on disk is whole: it loads as what was simulated, or says what is wrong."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import scopedrift as sd
from scopedrift.simulator.engine import load_simulation
from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.worlds import World


@pytest.fixture
def saved(tmp_path):
    return sd.simulate("tiny", seed=1, out=tmp_path / "world"), tmp_path / "world"


def test_what_was_simulated_is_loaded(saved):
    made, folder = saved
    loaded = World.load(folder).source
    assert loaded.scenario == made.source.scenario and loaded.seed == 1
    assert loaded.deployment == made.source.deployment
    assert loaded.truth.incidents == made.source.truth.incidents and loaded.log.digest == made.digest


def test_detectors_that_need_knowledge_are_judged_on_it_as_on_the_scenario(saved):
    named = ["declared-policy", "change-aware"]
    pd.testing.assert_frame_equal(sd.run(saved[1], named).table, sd.run("tiny", named, seeds=[1]).table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda world: {**world, "format": "other/1"}, "expected the format"),
        (lambda world: {**world, "scenario": "name: [\n"}, "damaged world"),
        (lambda world: {**world, "deployment": 3}, "damaged world"),
        (lambda world: {**world, "scenario": "name: w\nextends: quickstart\n"}, "another version"),
    ],
)
def test_damage_is_said(saved, change, message):
    file = saved[1] / "world.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(LogFormatError, match=message):
        load_simulation(saved[1])


def test_a_log_without_its_world_is_none(saved):
    (saved[1] / "world.json").unlink()
    with pytest.raises(LogFormatError, match="not a whole world"):
        World.load(saved[1])
