"""River, PyOD and scikit-learn as they are installed, behind the detector interface."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import available, load
from scopedrift.detectors.registry import ON_REQUEST
from scopedrift.detectors.spec import SpecError
from scopedrift.detectors.toolkit.profiles import FEATURES
from scopedrift.detectors.toolkit.windowed import Windowed

READ = {"service": "s3", "operation": "GetObject", "access": "read"}
SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read"}

EXACT = ["pyod(model=ECOD)", "pyod(model=COPOD)", "pyod(model=KNN)", "sklearn(model=neighbors.LocalOutlierFactor)"]
SOUND = [
    "river(model=HalfSpaceTrees, options={'window_size': 100})",
    "pyod(model=HBOS)",
    "sklearn(model=mixture.GaussianMixture)",
    "sklearn(model=ensemble.IsolationForest, options={'n_estimators': 20})",
    *EXACT,
]


def hours(who: str, first: int, last: int, extra: int = 0) -> list[dict]:
    steady = [{"at": h + n / 40, "identity": who, **READ} for h in range(first, last) for n in range(20)]
    return steady + [{"at": last - 1 + n / 400, "identity": who, **SECRET} for n in range(extra)]


@pytest.mark.parametrize("spec", SOUND)
def test_an_hour_unlike_the_others_gets_higher_scores(build, judge, spec) -> None:
    log = build([*hours("a", 0, 60, extra=60), *hours("b", 0, 60)])
    scores, batch = judge(load(spec), log, fit=48)
    assert np.isfinite(scores).all()
    odd = np.array([operation == "GetSecretValue" for (operation,) in batch.pairs("operation")])
    assert np.median(scores[odd]) > np.median(scores[~odd])


def test_the_sentence_names_the_feature(build, judge) -> None:
    detector = load("pyod(model=KNN)")
    scores, batch = judge(detector, build([*hours("a", 0, 60, extra=60), *hours("b", 0, 60)]), fit=48)
    said = detector.explain(batch, int(np.argmax(scores)))
    assert said.startswith("a in this hour so far: ") and "secret" in said


def test_an_adapter_keeps_the_contract() -> None:
    assert_conforms("river(model=GaussianScorer)")


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [*SOUND, "river", "river(model=StandardAbsoluteDeviation)", "pyod", "sklearn", "sklearn(model=svm.OneClassSVM)"],
)
def test_every_kind_of_model_keeps_the_contract(spec) -> None:
    assert_conforms(spec)


@pytest.mark.parametrize("spec", EXACT)
def test_models_that_rank_within_a_batch_are_asked_row_by_row(spec) -> None:
    log = sample_log(1200)
    found = []
    for size in (600, 7):
        detector = load(spec)
        detector.fit(log.batch(0, 600), Knowledge(seed=3))
        found.append(np.concatenate([detector.score(batch) for batch in log.batches(size, 600)]))
    assert np.allclose(found[0], found[1], rtol=1e-9, equal_nan=True)
    assert detector._alone == ("ECOD" in spec or "COPOD" in spec)


@pytest.mark.parametrize("model", ["HalfSpaceTrees", "GaussianScorer"])
def test_what_river_says_is_what_is_scored(model) -> None:
    """The adapter adds nothing to River's own scores."""
    from river import anomaly

    log = sample_log(1200)
    detector = load(f"river(model={model})")
    detector.fit(log.batch(0, 600), Knowledge(seed=5))
    twin = anomaly.HalfSpaceTrees(seed=5) if model == "HalfSpaceTrees" else anomaly.GaussianScorer()
    windowed = Windowed()

    def told(row: np.ndarray) -> tuple:
        scaled = row / (row + 4.0)
        features = dict(zip(FEATURES, scaled.tolist(), strict=True))
        return (features,) if model == "HalfSpaceTrees" else (features, float(scaled.mean()))

    rows = windowed.learn(log.batch(0, 600))
    for row in rows[windowed.by_time]:
        twin.learn_one(*told(row))
    stream = log.batch(600, 1200)
    own = []
    for row in windowed.features(stream):
        own.append(twin.score_one(*told(row)))
        twin.learn_one(*told(row))
    scores = detector.score(stream)
    assert np.allclose(scores[~np.isnan(scores)], own, rtol=1e-9) and len(set(own)) > 10


def test_river_learns_the_latest_hours_and_in_their_order(build) -> None:
    """Rows come in the order of fingerprints, which is that of nothing else."""
    log = build([{"at": h, "identity": "a", **READ, "bytes": 1 << (h // 4)} for h in range(100)])
    windowed = Windowed()
    rows = windowed.learn(log.batch(0, len(log)))
    moved = rows[windowed.by_time, FEATURES.index("bytes")]
    assert len(moved) > 60 and (np.diff(moved) >= 0).all() and moved[-1] > moved[0]
    detector = load("river(model=GaussianScorer, sample=1000)")
    detector.sample = 5
    detector.fit(log.batch(0, len(log)), Knowledge())
    mean = (rows[windowed.by_time[-5:]] / (rows[windowed.by_time[-5:]] + 4.0)).mean()
    assert np.isclose(detector._river.gaussian.mu, mean)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "river(model=HalfSpaceTree)",
            "no anomaly model of River 'HalfSpaceTree': did you mean HalfSpaceTrees?",
        ),
        ("river(options={'trees': 3})", "HalfSpaceTrees does not take the options {'trees': 3}"),
        ("pyod(model=IForrest)", "no model of PyOD 'IForrest': did you mean iforest?"),
        ("sklearn(model=ensemble.IsolationForrest)", "no class 'IsolationForrest' in sklearn.ensemble"),
        ("sklearn(model=cluster.KMeans)", "cluster.KMeans has no fit with score_samples or decision_function"),
    ],
)
def test_what_cannot_be_made_is_told(spec, message) -> None:
    with pytest.raises(SpecError) as error:
        load(spec)
    assert message in str(error.value)


MISSING = {
    "river": "river",
    "drift(method=adwin)": "river",
    "pyod": "pyod",
    "agentnorm": "agentnorm",
    "sigma(rules=.)": "sigma",
}
"""Detectors, and the library without which each cannot run; its extra has the same name."""
RUNS = """
import sys
from scopedrift.experiments.cli import main
for spec in sys.argv[1:]:
    sys.argv = ["scopedrift", "run", "tiny", "--seeds", "1", "--no-track", "--detector", spec]
    try:
        main()
    except SystemExit as ended:
        print(f"exit code {ended.code}", file=sys.stderr)
"""


def test_without_its_library_the_command_line_says_how_to_get_it(tmp_path) -> None:
    for module in MISSING.values():  # wherever the detector runs, it finds this first
        gone = tmp_path / "site-packages" / module / "__init__.py"
        gone.parent.mkdir(parents=True, exist_ok=True)
        gone.write_text(f'raise ModuleNotFoundError("no module {module}", name="{module}")')
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")}
    done = subprocess.run(
        [sys.executable, "-c", RUNS, *MISSING], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    told = done.stderr.split("exit code 2\n")
    assert len(told) == len(MISSING) + 1 and not told.pop() and "Traceback" not in done.stderr, done.stderr
    for module, said in zip(MISSING.values(), told, strict=True):
        assert f"pip install 'scopedrift[{module}]'" in said and len(said.splitlines()) <= 2


def test_the_list_names_every_adapter_and_the_extra_that_it_needs() -> None:
    listed = available()
    assert set(ON_REQUEST) <= set(listed)
    for name in ("river", "pyod", "agentnorm", "sigma"):
        assert f"extra: {name}" in listed[name].summary
    assert all(len(listed[name].summary) < 110 and listed[name].summary.endswith(".") for name in ON_REQUEST)
