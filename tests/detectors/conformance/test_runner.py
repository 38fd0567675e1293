"""The conformance check finds what it is for: one deliberately broken detector for each way to break the contract."""

from __future__ import annotations

import gc
import inspect
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scopedrift.detectors import Detector, Knowledge, param
from scopedrift.detectors.conformance import runner
from scopedrift.detectors.conformance.candidate import MAX_COST, Candidate
from scopedrift.detectors.conformance.checks import CHECKS
from scopedrift.detectors.conformance.runner import CheckResult, assert_conforms, check, check_apart, run
from scopedrift.detectors.conformance.sample import sample_knowledge, sample_log
from scopedrift.detectors.registry import BUILTIN
from scopedrift.detectors.spec import SpecError
from scopedrift.simulator.log.events import EventBatch
from scopedrift.simulator.log.truth import Truth


def size_of(batch: EventBatch) -> np.ndarray:
    """Log of bytes: a fine little score that any log allows."""
    if "bytes" not in batch.columns:
        return np.zeros(len(batch))
    return np.log1p(np.maximum(batch["bytes"], 0)).astype(float)


class Good(Detector):
    """Keeps the contract."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch)


class LooksAhead(Good):
    """Ranks each event within the batch."""

    def score(self, batch: EventBatch) -> Any:
        return np.argsort(np.argsort(size_of(batch), kind="stable"), kind="stable").astype(float)


class LooksOneEventAhead(Good):
    """Compares each event with the next one."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch) - np.append(size_of(batch)[1:], 0.0)


class LooksBehindTheBatch(Good):
    """Follows the columns back to the whole log that they are a part of."""

    def score(self, batch: EventBatch) -> Any:
        column = batch["time"]
        return np.full(len(batch), float(np.max(column.base if column.base is not None else column, initial=0)))


class KnowsLaterNames(Good):
    """Counts the names that the vocabulary will have had by the end."""

    def score(self, batch: EventBatch) -> Any:
        return np.full(len(batch), float(len(batch.vocabulary["source"])))


class Normalises(Good):
    """Divides by the greatest of the batch."""

    def score(self, batch: EventBatch) -> Any:
        sizes = size_of(batch)
        return sizes / max(sizes.max(initial=0.0), 1.0)


class LearnsByBatch(Good):
    """Knows at the end of a batch what it should have known within it."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.mean = 0.0

    def score(self, batch: EventBatch) -> Any:
        scores = size_of(batch) - self.mean
        if len(batch):
            self.mean = 0.9 * self.mean + 0.1 * float(size_of(batch).mean())
        return scores


class CountsBatches(Good):
    """Even an empty batch counts."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.batches = 0

    def score(self, batch: EventBatch) -> Any:
        self.batches += 1
        return size_of(batch) + self.batches


class DrawsGlobally(Good):
    """Takes random numbers from the global state."""

    def score(self, batch: EventBatch) -> Any:
        return [random.random() for _ in range(len(batch))]


class DrawsUnseeded(Good):
    """Takes random numbers from nowhere."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.rng = np.random.default_rng()

    def score(self, batch: EventBatch) -> Any:
        return self.rng.random(len(batch))


class RemembersTheLastWorld(Good):
    """A second fit adds to the first."""

    seen: set[Any]

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.seen = getattr(self, "seen", set()) | set(history["task"].tolist() if "task" in history.columns else [])

    def score(self, batch: EventBatch) -> Any:
        if "task" not in batch.columns:
            return np.zeros(len(batch))
        scores = [float(task not in self.seen) for task in batch["task"].tolist()]
        self.seen.update(batch["task"].tolist())
        return scores


class WritesToColumns(Good):
    """Clips the bytes in place."""

    def score(self, batch: EventBatch) -> Any:
        if "bytes" in batch.columns:
            np.maximum(batch["bytes"], 0, out=batch["bytes"])
        return size_of(batch)


class UnlocksColumns(Good):
    """Makes the columns writeable first."""

    def score(self, batch: EventBatch) -> Any:
        scores = size_of(batch)
        if "bytes" in batch.columns and batch["bytes"].flags.owndata:
            batch["bytes"].flags.writeable = True
            batch["bytes"][:] = 0
        return scores


class SpoilsHistory(Good):
    """Changes the history instead."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        for column in history.columns.values():
            if column.flags.owndata:
                column.flags.writeable = True
                column[:] = 0


class AddsColumns(Good):
    """Keeps its notes in the batch."""

    def score(self, batch: EventBatch) -> Any:
        batch.columns["notes"] = np.zeros(len(batch))  # type: ignore[index]
        return size_of(batch)


class NamesThings(Good):
    """Adds its own names to the vocabulary that all batches share."""

    def score(self, batch: EventBatch) -> Any:
        batch.vocabulary["identity"].code("nobody")
        return size_of(batch)


class ChangesKnowledge(Good):
    """Takes from the policy what it has read."""

    needs = frozenset({"policy"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        if knowledge.policy:
            knowledge.policy.clear()  # type: ignore[attr-defined]


class LeaksEvents(Good):
    """Remembers every event."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.seen: list[int] = []

    def score(self, batch: EventBatch) -> Any:
        self.seen += batch["time"].tolist()
        return size_of(batch)


class LeaksTasks(Good):
    """Remembers something of every task."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.tasks: dict[int, int] = {}

    def score(self, batch: EventBatch) -> Any:
        for task in batch["task"].tolist() if "task" in batch.columns else ():
            self.tasks[task] = self.tasks.get(task, 0) + 1
        return size_of(batch)


class LeaksByDoubling(Good):
    """Remembers every time in an array that doubles, and so stands still most of the time."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.kept, self.size = np.zeros(1024, np.int64), 0

    def score(self, batch: EventBatch) -> Any:
        while self.size + len(batch) > len(self.kept):
            self.kept = np.concatenate([self.kept, np.zeros_like(self.kept)])
        self.kept[self.size : self.size + len(batch)] = batch["time"]
        self.size += len(batch)
        return size_of(batch)


class LeaksBatches(Good):
    """Holds on to every batch."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.batches: list[EventBatch] = []

    def score(self, batch: EventBatch) -> Any:
        self.batches.append(batch)
        return size_of(batch)


class TwoDimensional(Good):
    """One column instead of one row."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch)[:, None]


class TooShort(Good):
    """Loses the last event."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch)[:-1]


class ScalarForOne(Good):
    """A single event gives a number, not a list of one."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch).squeeze()


class NothingForEmpty(Good):
    """An empty batch gives nothing."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch) if len(batch) else None


class Texts(Good):
    """Scores in words."""

    def score(self, batch: EventBatch) -> Any:
        return ["high" if size > 5 else "low" for size in size_of(batch)]


class Nones(Good):
    """None for what it cannot judge."""

    def score(self, batch: EventBatch) -> Any:
        return [None if size > 5 else size for size in size_of(batch)]


class Complex(Good):
    """Numbers that have no order."""

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch) + 1j


class Infinite(Good):
    """A logarithm of zero."""

    def score(self, batch: EventBatch) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(size_of(batch))


class AlwaysAbstains(Good):
    """Judges nothing."""

    def score(self, batch: EventBatch) -> Any:
        return np.full(len(batch), np.nan)


class GoesBlind(Good):
    """A counter runs over, and from then on nothing is judged."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.count = 0

    def score(self, batch: EventBatch) -> Any:
        position = self.count + np.arange(len(batch))
        self.count += len(batch)
        return np.where(position > 255, np.nan, size_of(batch))


class PoisonedByGreatNumbers(Good):
    """A running mean that one enormous transfer drives to infinity, and every later score to NaN."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.mean = np.float32(0.0)

    def score(self, batch: EventBatch) -> Any:
        scores = []
        with np.errstate(all="ignore"):
            for size in batch["bytes"].tolist() if "bytes" in batch.columns else [0] * len(batch):
                value = np.float32(max(size, 0)) ** 3
                scores.append(float((value - self.mean) / (self.mean + 1)) if value < 1e38 else 1.0)
                self.mean = np.float32(0.9) * self.mean + np.float32(0.1) * value
        return scores


class ReadsTheTruthFile(Good):
    """Looks for truth.npy beside it."""

    def score(self, batch: EventBatch) -> Any:
        path = Path("truth.npy")
        return np.load(path)[-len(batch) :].astype(float) if path.exists() else size_of(batch)


class ReadsTheParquet(Good):
    """The same through Arrow, which opens files without Python's knowledge."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        import pyarrow.parquet as pq

        path = Path("truth.parquet")
        self.label = pq.read_table("truth.parquet")["label"].to_numpy() if path.exists() else None
        self.at = len(history)

    def score(self, batch: EventBatch) -> Any:
        found = size_of(batch)
        if self.label is not None:
            part = self.label[self.at : self.at + len(batch)]
            found[: len(part)] += part
        self.at += len(batch)
        return found


class ReadsTheIncidents(Good):
    """Searches the folder for incidents."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        for path in Path().glob("*.json"):
            json.loads(path.read_text())


class SearchesMemory(Good):
    """Searches the objects of the process."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.found = [item for item in gc.get_objects() if type(item).__name__ == "Truth"]


class SearchesTheStack(Good):
    """Reads the variables of its callers."""

    def score(self, batch: EventBatch) -> Any:
        frame = inspect.currentframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                holder = getattr(value, "truth", None)
                if isinstance(holder, Truth):
                    assert holder.event is not None
            frame = frame.f_back
        return size_of(batch)


class WalksToTheEvaluation(Good):
    """Looks for a frame of that name, and into what it holds."""

    def score(self, batch: EventBatch) -> Any:
        frame, scores = inspect.currentframe(), size_of(batch)
        while frame is not None:
            if frame.f_code.co_name == "evaluate" and "world" in frame.f_locals:
                scores = scores + float(len(frame.f_locals["world"].truth.event))
            frame = frame.f_back
        return scores


class SearchesMemoryWhenItPays(Good):
    """Searches the objects of the process, but only after a long history."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        if len(history) > 20_000:
            self.found = [item for item in gc.get_objects() if type(item).__name__ == "Truth"]


class SimulatesAgain(Good):
    """Tries seeds until the history matches."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        from scopedrift.simulator.engine import simulate

        self.simulate = simulate


class ChangesTheLogBehind(Good):
    """Writes through the views that it is given, from the first batch on."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        for column in history.columns.values():
            if isinstance(column.base, np.ndarray):
                column.base.flags.writeable = True
                column.base[:3] = column.base[3]


class NeedsTwoEvents(Good):
    """Takes differences to the first event."""

    def score(self, batch: EventBatch) -> Any:
        return batch["time"] - float(batch["time"][0])


class NeedsHistory(Good):
    """Divides by what it has learned."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.mean = float(size_of(history)[0])


class KnowsAllNames(Good):
    """Has a table for the names of the baseline only."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        names = list(history.names("operation")) if "operation" in history.columns else []
        self.table = dict.fromkeys(names, 1.0)

    def score(self, batch: EventBatch) -> Any:
        if "operation" not in batch.columns:
            return np.zeros(len(batch))
        return [0.0 if operation is None else self.table[operation] for (operation,) in batch.pairs("operation")]


class NeedsColumns(Good):
    """Takes a column for granted."""

    def score(self, batch: EventBatch) -> Any:
        return batch["bytes"].astype(float)


class NeedsValues(Good):
    """Takes a value for granted where the column exists."""

    def score(self, batch: EventBatch) -> Any:
        if "bytes" not in batch.columns:
            return np.zeros(len(batch))
        return size_of(batch) + 0.0 * batch["bytes"][batch["bytes"] >= 0].min()


class NeedsOrder(Good):
    """Believes that things arrive in the order in which they happened."""

    def score(self, batch: EventBatch) -> Any:
        if np.any(np.diff(batch["time"]) < -10 * 3600 * 1_000_000):
            raise ValueError("events are out of order")
        return size_of(batch)


class ExplainsWithNumbers(Good):
    """Explains with a number."""

    def explain(self, batch: EventBatch, row: int) -> Any:
        return float(batch["bytes"][row])


class ExplainingTeaches(Good):
    """Whoever asks for a reason changes what comes next."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.asked = 0

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch) + self.asked

    def explain(self, batch: EventBatch, row: int) -> str:
        self.asked += 1
        return "because you ask"


class CannotFit(Good):
    """Fails at once."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        raise RuntimeError("no idea")


class WantsLabels(Good):
    """Asks for knowledge that nobody has."""

    needs = frozenset({"labels"})


@dataclass
class ChangesParameters(Good):
    """Stores another value than it was given."""

    share: float = param(50.0, 0.0, 100.0)

    def __post_init__(self) -> None:
        self.share = self.share / 100.0


class ForgotTheDecorator(Good):
    """A parameter in a class that is no dataclass."""

    weight: float = param(1.0, 0.1, 10.0)


@dataclass
class OutOfRange(Good):
    """The default is not in the range."""

    weight: float = param(20.0, 0.1, 10.0)


@dataclass
class RangeOfZero(Good):
    """A logarithmic range that begins at zero."""

    weight: float = param(1.0, 0.0, 10.0, log=True)


@dataclass
class FailsAtTheEdge(Good):
    """Works for its default, and not for all of its range."""

    window: float = param(1.0, 0.0, 10.0)

    def score(self, batch: EventBatch) -> Any:
        return size_of(batch) + 1.0 / float(f"{self.window}") if self.window else [1 / 0]


class Slow(Good):
    """Reads a large batch a hundred times."""

    def score(self, batch: EventBatch) -> Any:
        for _ in range(100 * (len(batch) >= 1000)):
            sum(event.bytes or 0 for event in batch)
        return size_of(batch)


BROKEN: list[tuple[type[Detector], str]] = [
    (LooksAhead, "is_causal"),
    (LooksOneEventAhead, "is_causal"),
    (LooksBehindTheBatch, "is_causal"),
    (KnowsLaterNames, "is_causal"),
    (Normalises, "is_independent_of_batch_cuts"),
    (LearnsByBatch, "is_independent_of_batch_cuts"),
    (CountsBatches, "takes_empty_and_single_batches"),
    (DrawsGlobally, "is_deterministic"),
    (DrawsUnseeded, "is_deterministic"),
    (RemembersTheLastWorld, "fit_starts_afresh"),
    (WritesToColumns, "scores_have_the_right_shape"),
    (UnlocksColumns, "leaves_its_input_alone"),
    (SpoilsHistory, "leaves_its_input_alone"),
    (AddsColumns, "leaves_its_input_alone"),
    (NamesThings, "leaves_its_input_alone"),
    (ChangesKnowledge, "leaves_its_input_alone"),
    (LeaksEvents, "memory_stays_bounded"),
    (LeaksTasks, "memory_stays_bounded"),
    (LeaksByDoubling, "memory_stays_bounded"),
    (LeaksBatches, "memory_stays_bounded"),
    (TwoDimensional, "scores_have_the_right_shape"),
    (TooShort, "scores_have_the_right_shape"),
    (ScalarForOne, "takes_empty_and_single_batches"),
    (NothingForEmpty, "takes_empty_and_single_batches"),
    (Texts, "scores_have_the_right_shape"),
    (Nones, "scores_have_the_right_shape"),
    (Complex, "scores_have_the_right_shape"),
    (Infinite, "scores_are_finite_or_abstain"),
    (AlwaysAbstains, "scores_are_finite_or_abstain"),
    (GoesBlind, "scores_are_finite_or_abstain"),
    (PoisonedByGreatNumbers, "recovers_from_great_numbers"),
    (ReadsTheTruthFile, "keeps_away_from_the_truth"),
    (ReadsTheParquet, "keeps_away_from_the_truth"),
    (ReadsTheIncidents, "keeps_away_from_the_truth"),
    (SearchesMemory, "keeps_away_from_the_truth"),
    (SearchesTheStack, "keeps_away_from_the_truth"),
    (WalksToTheEvaluation, "keeps_away_from_the_truth"),
    (SearchesMemoryWhenItPays, "keeps_away_from_the_truth"),
    (SimulatesAgain, "keeps_away_from_the_truth"),
    (ChangesTheLogBehind, "leaves_its_input_alone"),
    (NeedsTwoEvents, "takes_empty_and_single_batches"),
    (NeedsHistory, "takes_empty_and_single_batches"),
    (KnowsAllNames, "takes_unseen_names"),
    (NeedsColumns, "takes_missing_columns"),
    (NeedsValues, "takes_missing_columns"),
    (NeedsOrder, "takes_times_out_of_order"),
    (ExplainsWithNumbers, "explains_in_words"),
    (ExplainingTeaches, "explains_in_words"),
    (CannotFit, "fits"),
    (WantsLabels, "fits"),
    (ChangesParameters, "has_typed_parameters"),
    (ForgotTheDecorator, "has_typed_parameters"),
    (OutOfRange, "has_typed_parameters"),
    (RangeOfZero, "has_typed_parameters"),
    (FailsAtTheEdge, "works_all_over_its_ranges"),
    (Slow, "is_fast_enough"),
]


HASHES_TEXT = '''
from scopedrift.detectors import Detector


class HashesText(Detector):
    """Depends on the hash of texts, which Python salts anew in every process."""

    def score(self, batch):
        known = batch.pairs("service") if "service" in batch.columns else [None] * len(batch)
        return [float(hash(pair) % 1000) for pair in known]
'''


def failures(findings: list[CheckResult]) -> dict[str, CheckResult]:
    return {finding.check: finding for finding in findings if not finding.ok}


@pytest.mark.parametrize(("broken", "fault"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_each_broken_detector_fails_the_check_for_its_fault(broken: type[Detector], fault: str) -> None:
    candidate = Candidate(broken, sample_log(), sample_knowledge(), max_cost=10.0 if broken is Slow else MAX_COST)
    found = failures(list(run(candidate, [(function, why) for function, why in CHECKS if function.__name__ == fault])))
    assert fault in found, f"found only {list(found)}"
    assert "expected" in found[fault].message or "raised" in found[fault].message
    assert found[fault].why


def test_a_detector_of_a_file_is_also_run_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "hashes_text.py"
    path.write_text(HASHES_TEXT)
    (finding,) = failures(check(str(path))).values()
    assert finding.check == "is_the_same_in_another_process"
    assert finding.message.startswith("another process gave other scores: ")


def test_every_check_fails_for_some_broken_detector() -> None:
    broken = {fault for _, fault in BROKEN} | {"is_the_same_in_another_process"}
    assert {function.__name__ for function, _ in CHECKS} == broken


def test_a_good_detector_passes_everything() -> None:
    findings = check(Good)
    assert [finding.check for finding in findings] == [function.__name__ for function, _ in CHECKS]
    assert not failures(findings)


HANGS = """
import time
from scopedrift.detectors import Detector


class Hangs(Detector):
    '''Answers in its own time.'''

    def score(self, batch):
        {how}
        return [0.0] * len(batch)
"""
DEAF = "from ctypes import CDLL; CDLL(None).pthread_sigmask(0, b'\\xff' * 128, None); time.sleep(600)"


class Sleeps(Good):
    """Answers in its own time, whatever it is told."""

    def score(self, batch: EventBatch) -> Any:
        try:
            time.sleep(600)
        except Exception:
            return size_of(batch)


@pytest.mark.parametrize("bounded", [True, False])
def test_what_another_thread_still_holds_is_no_leak_if_it_ends(bounded: bool) -> None:
    over = threading.Event()
    if bounded:
        over.set()

    class Hands(Good):
        """Leaves the last batch of the check to a thread, with much beside it."""

        def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
            self.batches = 0

        def score(self, batch: EventBatch) -> Any:
            self.batches += 1
            if self.batches == 28:
                held = np.ones(8_000_000)
                threading.Thread(target=lambda: (over.wait(), held.sum()), daemon=True).start()
            return size_of(batch)

    candidate = Candidate(Hands, sample_log(), sample_knowledge())
    found = list(run(candidate, [(function, why) for function, why in CHECKS if "memory" in function.__name__]))
    over.set()
    assert [finding.ok for finding in found] == [bounded]


def test_a_detector_that_hangs_is_interrupted_and_that_is_the_end_of_the_check() -> None:
    findings = check(Sleeps, max_seconds=5.0)
    assert [finding.check for finding in findings][-1] == "scores_have_the_right_shape"
    assert failures(findings)["scores_have_the_right_shape"].message == "did not end within 5 s: expected an answer"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("time.sleep(600)", "did not end within 5 s: expected an answer"),
        (DEAF, "did not end within 5 s: expected an answer (it could not be interrupted)"),
        ("import os; os._exit(7)", "the process of the check ended with exit code 7: expected it to go on"),
        ("print('noise')", ""),
    ],
)
def test_in_a_process_apart_whatever_a_detector_does_the_check_ends(tmp_path, how, message, monkeypatch) -> None:
    path = tmp_path / "hangs.py"
    path.write_text(HANGS.format(how=how))
    asked = check_apart(str(path), max_seconds=5.0 if "sleep" in how else 60.0)
    findings = [next(asked)]
    if how == DEAF:  # its process has begun, and will not be heard of again
        monkeypatch.setattr(runner, "_GRACE", 1.0)
    findings += asked
    if message:
        assert not findings[-1].ok and findings[-1].message == message
        assert findings[-1].check == "scores_have_the_right_shape"
    else:
        assert len(findings) == len(CHECKS) and not failures(findings)


def test_a_process_apart_says_what_cannot_be_found() -> None:
    with pytest.raises(SpecError, match="unknown detector 'first-sen': did you mean 'first-seen'"):
        list(check_apart("first-sen"))


BUILT_IN = [*(name for name in BUILTIN if name not in ("oracle", "isolation-forest")), "periodic"]


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) if name == "ensemble" else name for name in BUILT_IN),
        "isolation-forest(trees=20)",
    ],
)
def test_every_built_in_detector_keeps_the_contract(name: str) -> None:
    assert_conforms(name)


def test_files_of_detectors_within_it_are_seen_from_where_the_check_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "version: 1\ndetector: first-seen\nthreshold: 2.5\ncooldown: 90m\n"
    (tmp_path / "tuned.yaml").write_text(text)
    make = runner._maker("change-aware(detector=tuned.yaml)")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    log = sample_log()
    detector = make()
    detector.fit(log.batch(0, 100), sample_knowledge())
    assert len(detector.score(log.batch(100, 200))) == 100


def test_what_is_no_detector_is_told_so() -> None:
    (finding,) = check(dict)  # type: ignore[arg-type]
    assert "made a dict: expected a subclass of scopedrift.detectors.Detector" in finding.message


def test_a_failure_says_what_was_seen_and_why_it_matters() -> None:
    said = str(failures(check(Normalises))["is_independent_of_batch_cuts"])
    assert said.startswith("is_independent_of_batch_cuts: batches of 400 gave other scores than one batch: ")
    assert said.endswith(
        "Why it matters: the size of a batch is an accident of delivery and must not decide what is found"
    )


def test_writing_to_a_column_is_answered_with_advice() -> None:
    said = failures(check(WritesToColumns))["scores_have_the_right_shape"].message
    assert said.endswith("(the columns of a batch are read-only: copy before you change them)")


def test_in_a_test_suite_every_broken_check_is_told() -> None:
    with pytest.raises(AssertionError, match=r"breaks its contract:\n- is_causal: .*\n- is_independent_of_batch_cuts"):
        assert_conforms(LooksAhead)


def test_it_runs_on_a_log_and_knowledge_of_ones_own() -> None:
    shown: list[int] = []

    class Listens(Good):
        """Notes how much history it gets."""

        needs = frozenset({"policy"})

        def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
            shown.append(len(history) if knowledge.policy else -1)

    make: Callable[[], Detector] = Listens
    assert not failures(check(make, sample_log(600, seed=3), sample_knowledge(seed=3)))
    assert shown[0] == 300 and -1 not in shown
