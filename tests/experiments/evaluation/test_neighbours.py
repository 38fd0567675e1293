"""No detector changes its neighbour's result: ten routes by which one could, in a process of its own and trusted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from scopedrift.detectors.isolation.placement import asked_with, place, run_as
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.tables import cell_tables
from scopedrift.experiments.running.cells.store import Store, unpacked
from scopedrift.experiments.running.cells.worker import run_cells
from scopedrift.experiments.running.run import run
from scopedrift.experiments.running.selection import resolve
from scopedrift.experiments.running.sweep import sweep
from scopedrift.scenarios import load as load_scenario
from scopedrift.scenarios import override
from scopedrift.scenarios.suite import load_suite
from scopedrift.simulator.engine import simulate

HEAD = """
import builtins, ctypes, gc, sys, threading, time
import numpy as np
from scopedrift.detectors import Detector


def overwrite(column):
    '''Through memory, whatever its flags say.'''
    ctypes.memset(column.ctypes.data, 0, column.nbytes)


class Theirs(Detector):
    name = "theirs"

    def fit(self, history, knowledge):
        {fit}

    def score(self, batch):
        {score}
        return np.zeros(len(batch))
"""
ROUTES = {
    "setflags": ("pass", "who = batch['identity']; who.setflags(write=True); who[:] = who // 4"),
    "base": (
        "pass",
        "who = batch['identity'].base; who.flags.writeable = True; who[:] = 0",
    ),
    "ctypes in fit": ("overwrite(history['operation'])", "pass"),
    "ctypes in score": ("pass", "overwrite(batch['identity'])"),
    "a thread that acts later": (
        "global later; later = threading.Thread(target=lambda: (time.sleep(0.05), overwrite(history['operation']))); "
        "later.start()",
        "later.join()",
    ),
    "texts of the vocabulary": ("history.vocabulary['operation']._texts[:] = ['x'] * 3", "pass"),
    "a patched numpy": ("np.isnan = np.zeros_like", "pass"),
    "a patched built-in": ("builtins.len = lambda of: 1", "pass"),
    "patched metrics": (
        "metrics = sys.modules.get('scopedrift.experiments.evaluation.metrics'); "
        "setattr(metrics, 'recall', lambda *given: 1.0) if metrics else None",
        "pass",
    ),
    "truth through gc": (
        "[t.event.resize(0, refcheck=False) for t in gc.get_objects() if type(t).__name__ == 'Truth']",
        "pass",
    ),
}
IN_BOTH = ["base", "ctypes in fit", "ctypes in score", "a thread that acts later", "texts of the vocabulary"]
"""Routes that are found where the detector shares the process: those that change the world."""
SMALL = {"horizon": "2d", "windows": {"baseline": "12h", "calibration": "12h"}}


def written(folder: Path, route: str) -> str:
    fit, score = ROUTES[route]
    path = folder / "theirs.py"
    path.write_text(HEAD.format(fit=fit, score=score))
    return str(path)


def detected(payload: bytes) -> list[object]:
    return unpacked(payload)["incidents"]["detected_at"]


@pytest.fixture(scope="module")
def scenario():
    return override(load_scenario("tiny"), SMALL)


@pytest.fixture(scope="module")
def undisturbed(scenario):
    return run(scenario, resolve(["first-seen"]), [0])


@pytest.mark.parametrize("route", ROUTES, ids=lambda text: text.replace(" ", "-"))
def test_the_neighbour_of_an_isolated_detector_stays_as_it_is(scenario, undisturbed, tmp_path, route) -> None:
    spec = written(tmp_path, route)
    before = (np.isnan, len)
    found = run(scenario, resolve([spec, "first-seen"]), [0])
    assert (np.isnan, len) == before
    mine = found["cells"].set_index("detector")
    assert mine.loc["theirs", "run_as"] == "isolated" or sys.platform != "linux"
    theirs = undisturbed["cells"].set_index("detector")
    timed = [name for name in theirs.columns if name.endswith("_seconds")]
    columns = [name for name in theirs.columns if name not in timed]
    assert mine.loc["first-seen", columns].equals(theirs.loc["first-seen", columns])
    assert found["worlds"].equals(undisturbed["worlds"])


@pytest.mark.parametrize("route", IN_BOTH, ids=lambda text: text.replace(" ", "-"))
def test_a_trusted_detector_that_changes_the_world_costs_its_own_cell(scenario, undisturbed, tmp_path, route) -> None:
    spec = written(tmp_path, route)
    found = run(scenario, resolve([spec, "first-seen"], "off"), [0])
    cells, theirs = (each["cells"].set_index("detector") for each in (found, undisturbed))
    assert cells.loc["theirs", "status"] == "failed" and cells.loc["theirs", "run_as"] == "in process"
    assert "changed the events, names or truth of the world" in cells.loc["theirs", "reason"]
    assert cells.loc["first-seen", "detected"] == theirs.loc["first-seen", "detected"]
    assert found["worlds"].equals(undisturbed["worlds"])


def test_what_is_poisoned_never_reaches_the_store(scenario, tmp_path) -> None:
    spec = asked_with(written(tmp_path, "ctypes in score"), "off")
    results, reasons = run_cells(
        scenario.to_yaml(), "tiny", 0, {"poisoned": ("theirs", spec), "clean": ("first-seen", "first-seen")}
    )
    clean, _ = run_cells(scenario.to_yaml(), "tiny", 0, {"clean": ("first-seen", "first-seen")})
    assert set(results) == {"clean"} and "changed the events" in reasons["poisoned"]
    assert detected(results["clean"]) == detected(clean["clean"])


def test_a_spoiled_cell_is_told_and_tried_again(scenario, tmp_path) -> None:
    spec = asked_with(written(tmp_path, "ctypes in fit"), "off")
    plan = load_suite({"name": "mine", "scenarios": ["tiny"], "seeds": 1, "detectors": [spec]})
    for _ in range(2):
        swept = sweep(plan, tmp_path / "out")
        cells = swept.tables["cells"].set_index("detector")
        assert cells.loc["theirs", "status"] == "failed" and "changed the events" in cells.loc["theirs", "reason"]
    assert swept.ran == 1
    with Store(tmp_path / "out") as store:
        assert len(store.finished()) == swept.cells - 1


def test_what_stays_in_the_process_is_put_back(scenario, tmp_path) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(HEAD.format(fit="import os; os.chdir('/'); np.random.seed(1)", score="pass"))
    world, here = simulate(scenario, 0), Path.cwd()
    failed = evaluate_safely(place(asked_with(str(path), "off")), world)
    assert failed.status == "failed" and "changed the working directory" in failed.reason and not failed.spoiled
    assert Path.cwd() == here
    assert not cell_tables(failed, world)[1]


@pytest.mark.parametrize(
    ("spec", "how"),
    [
        ("first-seen", "built-in"),
        ("ensemble(members='first-seen + rate')", "built-in"),
        ("change-aware(detector={path})", "isolated"),
        ("{path}", "isolated"),
        ("{path}:Theirs", "isolated"),
        ("in-process(detector={path})", "in process"),
        ("isolated(detector=first-seen)", "isolated"),
        ("sklearn(model=ensemble.IsolationForest)", "isolated"),
        ("program(command=cat)", "isolated"),
    ],
)
def test_only_what_is_built_in_or_trusted_runs_in_this_process(tmp_path, spec, how) -> None:
    found = run_as(place(spec.format(path=written(tmp_path, "setflags"))))
    assert found == how or (how == "isolated" and found == "own process")
