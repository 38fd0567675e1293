"""Isolated detectors: the same scores, no way to the truth, and whatever goes wrong costs one cell and says why."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_knowledge, sample_log
from scopedrift.detectors.isolation.confinement import landlock
from scopedrift.detectors.isolation.isolated import Isolated
from scopedrift.detectors.isolation.launch import IsolationError
from scopedrift.detectors.loading import load
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.scenarios import load as load_scenario
from scopedrift.scenarios import override
from scopedrift.simulator.engine import simulate

shuts_in = pytest.mark.skipif(landlock() < 1, reason="this system cannot shut a process in")
LOG = sample_log(1200)
HISTORY, STREAM = LOG.batch(0, 600), LOG.batch(600, 1200)
LONG = "6543.25"
HEAD = """
import ctypes, os, signal, socket, subprocess, sys, time
import numpy as np
from scopedrift.detectors import Detector

class Theirs(Detector):
    '''Somebody else's.'''

    def fit(self, history, knowledge):
        {fit}

    def score(self, batch):
        {score}
"""


@pytest.fixture
def theirs(tmp_path: Path):
    def written(score: str = "return np.zeros(len(batch))", fit: str = "pass", **terms) -> Isolated:
        path = tmp_path / "theirs.py"
        path.write_text(HEAD.format(fit=fit, score=score))
        return Isolated(detector=f"{path}:Theirs", **{"timeout": 120.0, "fit_timeout": 120.0, **terms})

    return written


def scored(detector: Isolated) -> np.ndarray:
    detector.fit(HISTORY, Knowledge())
    return np.asarray(detector.score(STREAM))


def failure(detector: Isolated) -> str:
    with pytest.raises((IsolationError, RuntimeError)) as error:
        scored(detector)
    return str(error.value)


@pytest.mark.parametrize("name", ["first-seen", "declared-policy", "sequence"])
def test_scores_reasons_and_needs_are_those_of_the_detector_itself(name) -> None:
    alone, isolated = load(name), load(f"isolated(detector={name})")
    assert isolated.needs == alone.needs
    for detector in (alone, isolated):
        detector.fit(HISTORY, sample_knowledge())
    for batch in LOG.batches(200, 600):
        own = np.asarray(alone.score(batch))
        assert np.array_equal(own, isolated.score(batch), equal_nan=True)
        row = int(np.nanargmax(own))
        assert isolated.explain(batch, row) == alone.explain(batch, row) != ""


@pytest.mark.parametrize("path", ["my own/one.py", "a+b.py"])
def test_paths_may_hold_blanks_and_be_relative(tmp_path, monkeypatch, path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(HEAD.format(fit="pass", score="return np.full(len(batch), 2.0)"))
    for spec in (f"isolated(detector=./{path})", f"isolated(detector = {path}:Theirs, timeout=600)"):
        assert np.all(scored(load(spec)) == 2.0)


@pytest.mark.slow
def test_it_keeps_the_contract(theirs) -> None:
    good = "return [0.0 if access is None else float(access == 'delete') for (access,) in batch.pairs('access')]"
    assert_conforms(f"isolated(detector={theirs(good).detector.rpartition(':')[0]})")


@shuts_in
def test_what_it_may_read_can_be_added_and_its_own_folder_can_be_written(theirs, secret) -> None:
    fit = f"open('own', 'w').write(open('{secret}/incidents.json').read())"
    assert not scored(theirs(fit=fit, read=str(secret))).any()
    assert "PermissionError" in failure(theirs(fit=fit))


def test_its_code_is_not_loaded_here_and_what_it_prints_is_no_answer(theirs, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///somewhere")
    detector = theirs("print('1' * 100); return np.full(len(batch), float('MLFLOW_TRACKING_URI' in os.environ))")
    before = set(sys.modules)
    assert not scored(detector).any()
    assert not [name for name in set(sys.modules) - before if "theirs" in name or "file_" in name]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("sys.exit('no')", "SystemExit: no"),
        ("os._exit(3)", "its process ended with exit code 3"),
        ("os.abort()", "its process died of signal 6 (SIGABRT)"),
        ("ctypes.string_at(0)", "its process died of signal 11 (SIGSEGV)"),
        ("os._exit(0)", "its process ended with exit code 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0})", "Odd (its text cannot be told)"),
        ("return range(10**9)", "returned shape (1000000000,), expected (600,)"),
        ("return [1.0] * (len(batch) + 1)", "returned shape (601,), expected (600,): one score an event"),
        ("return np.zeros((len(batch), 1))", "returned shape (600, 1), expected (600,): one score an event"),
        ("return ['high'] * len(batch)", "returned dtype <U4, expected 600 floats"),
        ("return None", "returned NoneType, expected 600 floats"),
        ("return np.full(len(batch), np.nan)", "abstained (NaN) on all of the first 600 events"),
        ("self.held = np.ones((1 << 30,)); return self.held[:600]", "MemoryError"),
        (
            "import mmap; m = mmap.mmap(-1, 3 << 30); [m.write(b'1' * (1 << 20)) for _ in range(3000)]; time.sleep(60)",
            "MiB with its children: expected at most 2,048",
        ),
        ("[open(str(n), 'w').close() for n in range(10_100)]; time.sleep(60)", "made over 10,000 files and folders"),
        ("[os.mkdir(str(n)) for n in range(10_100)]; time.sleep(60)", "made over 10,000 files and folders"),
    ],
)
def test_whatever_goes_wrong_says_what_was_seen(theirs, score, message) -> None:
    assert message in failure(theirs(score, memory=2048, silence=500))


@pytest.mark.parametrize("hang", ["time.sleep(600)", "while True: pass", "__import__('threading').Event().wait()"])
def test_a_detector_that_hangs_is_stopped(theirs, hang) -> None:
    assert failure(theirs(hang, timeout=0.5)) == "did not score within 0.5 s: its process was stopped"


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ("__import__('threading').Thread(target=time.sleep, args=(600,)).start()", "left a thread running"),
        ("__import__('signal').signal(15, lambda *_: None)", "changed what a signal does"),
        ("os.mkdir('inner'); os.chdir('inner')", "changed the working directory"),
        ("__import__('locale').setlocale(0, 'C')", "changed the locale"),
        ("os.close(0)", "closed the file 0"),
    ],
)
def test_what_it_leaves_behind_in_its_process_is_told_at_the_end(theirs, fit, message) -> None:
    detector = theirs(fit=fit)
    scored(detector)
    with pytest.raises(IsolationError, match=message):
        detector.parts()


def test_all_that_it_started_ends_with_it(theirs, tmp_path, wait_until) -> None:
    detector = theirs(fit=f"subprocess.Popen(['sleep', '{LONG}'], start_new_session=True)")
    scored(detector)
    running = lambda: [p for p in psutil.process_iter(["cmdline"]) if LONG in (p.info["cmdline"] or [])]  # noqa: E731
    wait_until(running, "its child")
    detector._running.close()
    wait_until(lambda: not running(), "the end of its child")


def test_a_batch_holds_nothing_beyond_itself(theirs) -> None:
    fit = "self.known = len(history)"
    score = (
        "last = max(int(c.max()) for n, c in batch.columns.items() if n in ('time', 'arrived'))\n"
        "        behind = np.frombuffer(bytes(batch['arrived'].base), np.int64)\n"
        "        later = ((behind > last) & (behind < last + 400 * 86_400_000_000)).sum()\n"
        "        names = len(batch.vocabulary['source']) - batch.seen['source']\n"
        "        return [float(later + names)] * len(batch)"
    )
    detector = theirs(score=score, fit=fit)
    detector.fit(HISTORY, Knowledge())
    for batch in LOG.batches(100, 600):
        assert not np.asarray(detector.score(batch)).any()


def test_a_batch_that_it_keeps_stays_as_it_was(theirs) -> None:
    score = (
        "kept = getattr(self, 'kept', None) or []; self.kept = [*kept, (batch, batch['time'].copy())]\n"
        "        return [float(any((b['time'] != t).any() for b, t in self.kept))] * len(batch)"
    )
    detector = theirs(score=score)
    detector.fit(HISTORY, Knowledge())
    assert not any(np.asarray(detector.score(batch)).any() for batch in LOG.batches(50, 600))


def test_a_process_that_it_forks_can_read_the_batch(theirs) -> None:
    score = (
        "child = os.fork()\n"
        "        if not child: os._exit(int(batch['operation'].max() < 0 or batch.frame().isna().all().all()))\n"
        "        return [float(os.waitpid(child, 0)[1] != 0)] * len(batch)"
    )
    assert not scored(theirs(score)).any()


@pytest.mark.parametrize(
    ("want", "message"),
    [
        ('{"want": ["time"], "start": 0, "stop": 601}', "asked for what is no part of the batch"),
        ('{"want": ["label"], "start": 0, "stop": 600}', "asked for what is no column"),
    ],
)
def test_asking_for_more_than_the_batch_ends_it(theirs, want, message) -> None:
    score = f"os.write(3, __import__('struct').pack('<QQ', {len(want)}, 0) + {want.encode()!r}); time.sleep(600)"
    assert failure(theirs(score)) == f"its process answered nonsense: {message}"


def test_a_folder_nested_more_deeply_than_python_can_follow_is_removed(theirs, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    detector = theirs("[(os.mkdir('d'), os.chdir('d')) for _ in range(1_500)]; return [0.0] * len(batch)")
    scored(detector)
    del detector
    gc.collect()
    left = [path for path in tmp_path.iterdir() if path.name.startswith("scopedrift-")]
    subprocess.run(["rm", "-rf", "--", *left], check=True)  # pytest could not remove it, either
    assert not left


def test_a_detector_that_hangs_while_it_fits_is_stopped(theirs) -> None:
    detector = theirs(fit="time.sleep(600)", fit_timeout=0.5)
    assert failure(detector) == "did not fit within 0.5 s: its process was stopped"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("isolated", "expected a detector: isolated(detector=./theirs.py:Theirs)"),
        ("isolated(detector=nobody)", "unknown detector 'nobody'"),
        ("isolated(detector=./no-such.py)", "no such file"),
        ("isolated(detector=first-seen(memry=3))", "'first-seen' has no parameter 'memry': did you mean 'memory'?"),
    ],
)
def test_what_cannot_be_made_is_told_at_once(spec, message) -> None:
    with pytest.raises(SpecError) as error:
        load(spec)
    assert message in str(error.value)


@shuts_in
def test_a_module_of_ones_own_is_found_and_nothing_beside_it(tmp_path, monkeypatch, secret) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "theirs.py").write_text(HEAD.format(fit="pass", score="return np.ones(len(batch))"))
    (tmp_path / "beside.json").write_text("[1]")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert scored(Isolated(detector="mine.theirs:Theirs")).all()
    assert "mine" not in sys.modules
    code = HEAD.format(fit=f"open('{tmp_path}/beside.json')", score="return np.ones(len(batch))")
    (tmp_path / "mine" / "theirs.py").write_text(code)
    assert "PermissionError" in failure(Isolated(detector="mine.theirs:Theirs"))


def test_a_failure_costs_one_cell(theirs) -> None:
    small = {"horizon": "6h", "windows": {"baseline": "2h", "calibration": "2h"}, "incidents": []}
    world = simulate(override(load_scenario("quickstart"), small), 1)
    hangs = evaluate_safely(theirs("time.sleep(600)", timeout=0.5), world, name="theirs")
    assert hangs.status == "failed"
    assert "failed in score, batch 0" in hangs.reason and "did not score within 0.5 s" in hangs.reason
    assert evaluate_safely(theirs(), world).status == "ok"
