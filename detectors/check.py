"""Conformance: does a detector keep the contract that makes its results comparable?

Each check is a small named function over a `Subject` (a way to make the detector, a made-up log, and the
knowledge that goes with it) and returns what is wrong, or an empty text.  `check` runs them all; a failure
says what was expected and why it matters.  In a test suite::

    def test_contract():
        assert_conforms(NewRegistry)
"""

from __future__ import annotations

import copy
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from scopedrift.detectors._members import limited
from scopedrift.detectors._sample import sample_knowledge, sample_log
from scopedrift.detectors._watch import Watch
from scopedrift.detectors.base import Detector
from scopedrift.detectors.knowledge import KINDS, Knowledge
from scopedrift.simulator.events import CODED, COLUMNS, HOUR, TIMES, Array, EventBatch, Vocabulary
from scopedrift.simulator.log import EventLog


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    """Name of the check."""
    ok: bool
    message: str = ""
    """What was seen, and what was expected."""
    why: str = ""
    """Why it matters."""

    def __str__(self) -> str:
        return f"{self.check}: passed" if self.ok else f"{self.check}: {self.message}. Why it matters: {self.why}"


@dataclass(frozen=True)
class Subject:
    """What is checked: a way to make fresh detectors, and what they are shown."""

    make: Callable[[], Detector]
    log: EventLog
    knowledge: Knowledge
    min_events_per_second: float = 1000.0
    max_bytes_per_event: float = 6.0

    @cached_property
    def half(self) -> int:
        """Where the history ends and scoring begins."""
        return len(self.log) // 2

    @cached_property
    def history(self) -> EventBatch:
        """The first half of the log."""
        return self.log.batch(0, self.half)

    @cached_property
    def stream(self) -> EventBatch:
        """The second half of the log, as one batch."""
        return self.log.batch(self.half, len(self.log))

    def fitted(self, history: EventBatch | None = None) -> Detector:
        """A fresh detector, fitted with the knowledge that it asks for."""
        detector = self.make()
        detector.fit(self.history if history is None else history, self.known_to(detector))
        return detector

    def known_to(self, detector: Detector) -> Knowledge:
        """The knowledge limited to what the detector needs."""
        return limited(self.knowledge, detector.needs)

    @cached_property
    def scores(self) -> Array:
        """Scores of the stream in one batch."""
        return as_scores(self.fitted().score(self.stream))


Check = Callable[[Subject], str]
CHECKS: Final[list[tuple[Check, str]]] = []
"""Every check with the reason why it matters, in order."""


def _because(why: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS.append((function, why))
        return function

    return register


def check(
    make: Callable[[], Detector],
    log: EventLog | None = None,
    knowledge: Knowledge | None = None,
    *,
    min_events_per_second: float = 1000.0,
) -> list[Finding]:
    """Runs every check on the detectors that `make` gives (a class will do); one finding per check, in order.

    `log` and `knowledge` replace the made-up ones.  The memory and speed checks always use a made-up log.
    """
    subject = Subject(make, log or sample_log(), knowledge or sample_knowledge(), min_events_per_second)
    return list(run(subject))


def run(subject: Subject) -> Iterator[Finding]:
    """Runs the checks one after the other; stops if the detector cannot even be fitted, or cannot score."""
    for function, why in CHECKS:
        name = function.__name__
        hopeless = False
        try:
            message = function(subject)
            hopeless = bool(message) and function is fits
        except Exception as error:
            hopeless = function in (fits, scores_have_the_right_shape)
            message = f"raised {type(error).__name__}: {error}"
            if "read-only" in str(error):
                message += " (the columns of a batch are read-only: copy before you change them)"
        yield Finding(name, not message, message, why if message else "")
        if hopeless:
            return


def assert_conforms(make: Callable[[], Detector], log: EventLog | None = None, **options: Any) -> None:
    """For pytest: fails with every broken check's message."""
    failures = [finding for finding in check(make, log, **options) if not finding.ok]
    if failures:
        raise AssertionError("the detector breaks its contract:\n" + "\n".join(f"- {f}" for f in failures))


def as_scores(scores: Any) -> Array:
    """Scores as an array; raises `TypeError` if they are no numbers."""
    array = np.asarray(scores)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"scores must be real numbers, not {array.dtype}")
    return array.astype(np.float64)


@_because("nothing can be evaluated without it")
def fits(subject: Subject) -> str:
    """The detector is made without arguments, fits, and says what knowledge it needs."""
    detector = subject.make()
    if not isinstance(detector, Detector):
        return f"made a {type(detector).__name__}: expected a subclass of scopedrift.detectors.Detector"
    if unknown := frozenset(detector.needs) - frozenset(KINDS):
        return f"needs unknown knowledge {sorted(unknown)}: expected some of {', '.join(KINDS)}"
    detector.fit(subject.history, subject.known_to(detector))
    return ""


@_because("parameters are recorded with every result, and a tuner searches their ranges")
def has_typed_parameters(subject: Subject) -> str:
    """The parameters rebuild the detector; fields without annotations or decorator are no parameters."""
    detector = subject.make()
    given = detector.parameters()
    twin = type(detector)(**given)
    if twin.parameters() != given:
        return f"made from {given} it reports {twin.parameters()}: parameters must be stored unchanged"
    return ""


@_because("scores are matched with events by position")
def scores_have_the_right_shape(subject: Subject) -> str:
    """One real number per event."""
    shape = subject.scores.shape
    return "" if shape == (len(subject.stream),) else f"scores have shape {shape}: expected ({len(subject.stream)},)"


@_because("thresholds need an order; NaN is how a detector says that it cannot judge an event")
def scores_are_finite_or_abstain(subject: Subject) -> str:
    """No infinities; abstaining (NaN) is allowed, but not on every event."""
    if np.isinf(subject.scores).any():
        return f"{int(np.isinf(subject.scores).sum())} scores are infinite: expected finite numbers, or NaN to abstain"
    if np.isnan(subject.scores).all():
        return "every score is NaN: expected a judgement on some events of a log with all columns"
    return ""


@_because("a detector that uses later events cannot run in production, and its results here are worthless")
def is_causal(subject: Subject) -> str:
    """Other events later on, of other names, leave earlier scores as they are."""
    cut = len(subject.stream) // 2
    other = _other_future(subject, cut)
    changed = as_scores(subject.fitted().score(other))
    return _difference(subject.scores[:cut], changed[:cut], "scores changed when only later events were changed")


@_because("the size of a batch is an accident of delivery and must not decide what is found")
def is_independent_of_batch_cuts(subject: Subject) -> str:
    """The same events in batches of any size, one event at a time included, give the same scores."""
    for size, limit in ((len(subject.stream) // 3, None), (64, None), (7, 600), (1, 200)):
        stop = len(subject.log) if limit is None else min(len(subject.log), subject.half + limit)
        detector = subject.fitted()
        parts = [as_scores(detector.score(b)) for b in subject.log.batches(max(1, size), subject.half, stop)]
        found = np.concatenate(parts)
        wanted = subject.scores[: len(found)]
        if message := _difference(wanted, found, f"batches of {size} gave other scores than one batch"):
            return message
    return ""


@_because("results that cannot be repeated cannot be compared; take random numbers from knowledge.seed")
def is_deterministic(subject: Subject) -> str:
    """Two runs with one seed agree, whatever the global random state."""
    state = random.getstate(), np.random.get_state()
    try:
        random.seed(1)
        np.random.seed(1)
        again = as_scores(subject.fitted().score(subject.stream))
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
    return _difference(subject.scores, again, "two runs with the same seed gave different scores")


@_because("the same object is fitted again on the next world; what it remembers of the last one would leak")
def fit_starts_afresh(subject: Subject) -> str:
    """A second `fit` forgets everything before it."""
    detector = subject.fitted()
    detector.score(subject.stream)
    detector.fit(subject.history, subject.known_to(detector))
    again = as_scores(detector.score(subject.stream))
    return _difference(subject.scores, again, "after a second fit the scores differ from those of a fresh detector")


@_because("other detectors and the scorer read the same arrays")
def leaves_its_input_alone(subject: Subject) -> str:
    """Neither columns nor knowledge are changed."""
    detector = subject.make()
    stream = subject.stream
    batch = EventBatch({n: c.copy() for n, c in stream.columns.items()}, subject.log.vocabulary, stream.seen)
    known, before = subject.known_to(detector), copy.deepcopy(subject.known_to(detector))
    detector.fit(subject.history, known)
    detector.score(batch)
    now = batch.columns
    changed = [n for n, c in stream.columns.items() if n not in now or not np.array_equal(c, now[n])]
    if changed:
        return f"score changed the columns {', '.join(changed)} of its batch: expected them untouched"
    return "" if known == before else "fit or score changed the knowledge it was given: expected it untouched"


@_because("quiet hours give empty batches, and single events are how a live stream comes")
def takes_empty_and_single_batches(subject: Subject) -> str:
    """Empty batches score to nothing and change nothing; single events work; so does an empty history."""
    detector = subject.fitted()
    nothing = as_scores(detector.score(subject.log.batch(subject.half, subject.half)))
    if nothing.shape != (0,):
        return f"an empty batch gave scores of shape {nothing.shape}: expected (0,)"
    one = as_scores(detector.score(subject.log.batch(subject.half, subject.half + 1)))
    if one.shape != (1,):
        return f"a single event gave scores of shape {one.shape}: expected (1,)"
    if message := _difference(subject.scores[:1], one, "an empty batch in between changed the next score"):
        return message
    fresh = subject.fitted(subject.log.batch(0, 0))
    scores = as_scores(fresh.score(subject.stream))
    return "" if scores.shape == (len(subject.stream),) else "after an empty history the scores have the wrong shape"


@_because("incidents bring names that the baseline never showed")
def takes_unseen_names(subject: Subject) -> str:
    """Events whose every name is new are scored."""
    texts = subject.log.vocabulary.texts()
    vocabulary = Vocabulary({n: [*known, *(f"unseen-{n}-{i}" for i in range(50))] for n, known in texts.items()})
    rows = np.arange(len(subject.stream)) % 50
    columns = {
        n: c if n not in CODED else (len(texts[n]) + rows).astype(c.dtype) for n, c in subject.stream.columns.items()
    }
    scores = as_scores(subject.fitted().score(EventBatch(columns, vocabulary)))
    return _shape(scores, len(rows), "events with new names")


@_because("real records lack parts, and some logs lack whole columns")
def takes_missing_columns(subject: Subject) -> str:
    """Any column but the times may be absent, or -1 throughout."""
    optional = [n for n in COLUMNS if n in subject.stream.columns and n not in TIMES]
    for gone in [*([n] for n in optional), optional]:
        label = gone[0] if len(gone) == 1 else "all but the times"
        for absent in (True, False):
            try:
                detector = subject.fitted(_without(subject.history, gone, absent))
                scores = as_scores(detector.score(_without(subject.stream, gone, absent)))
            except Exception as error:
                how = "absent" if absent else "-1 throughout"
                return f"raised {type(error).__name__}: {error} with {label} {how}: expected scores (NaN to abstain)"
            if message := _shape(scores, len(subject.stream), f"a log without {label}"):
                return message
    return ""


@_because("clocks are skewed and telemetry is late: only arrival is in order")
def takes_times_out_of_order(subject: Subject) -> str:
    """Event times that jump back and ahead by hours are scored."""
    rng = np.random.default_rng(0)
    columns = dict(subject.stream.columns)
    columns["time"] = columns["time"] + rng.integers(-30 * HOUR, 3 * HOUR, len(columns["time"]))
    scores = as_scores(subject.fitted().score(EventBatch(columns, subject.log.vocabulary, subject.stream.seen)))
    return _shape(scores, len(subject.stream), "event times out of order")


@_because("a person on call reads it; it is called for every alert")
def explains_in_words(subject: Subject) -> str:
    """`explain` gives text for any event of the batch just scored."""
    detector = subject.fitted()
    scores = as_scores(detector.score(subject.stream))
    for row in {0, len(subject.stream) - 1, int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))}:
        said: object = detector.explain(subject.stream, row)
        if not isinstance(said, str):
            return f"explain gave {type(said).__name__}: expected a sentence"
    return ""


@_because("a month of events must fit in memory: what is kept per event, or per task, adds up")
def memory_stays_bounded(subject: Subject) -> str:
    """On a steady stream, memory stops growing."""
    size, rounds = 2500, 32
    log = sample_log(size * rounds, days=64.0)
    detector = subject.make()
    detector.fit(log.batch(0, 4 * size), subject.known_to(detector))
    held: list[int] = []
    tracemalloc.start()
    try:
        for number in range(4, rounds):
            detector.score(log.batch(number * size, (number + 1) * size))
            if (number + 1) % 8 == 0:
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    growth = np.diff(held) / (8 * size)
    if float(growth[1:].min()) > subject.max_bytes_per_event:
        return (
            f"memory grew by {growth[-1]:.0f} bytes an event to the end of a steady stream: expected at most "
            f"{subject.max_bytes_per_event:g}, so bound what is remembered"
        )
    return ""


@_because("sweeps score millions of events; vectorise over the columns of a batch")
def is_fast_enough(subject: Subject) -> str:
    """A minimum of events a second, in batches of 1,000."""
    log = sample_log(6000)
    detector = subject.make()
    detector.fit(log.batch(0, 3000), subject.known_to(detector))
    start = time.perf_counter()
    for batch in log.batches(1000, 3000):
        detector.score(batch)
    rate = 3000 / max(time.perf_counter() - start, 1e-9)
    if rate < subject.min_events_per_second:
        return f"{rate:,.0f} events a second: expected at least {subject.min_events_per_second:,.0f}"
    return ""


@_because("a detector that sees the labels measures nothing")
def keeps_away_from_the_truth(subject: Subject) -> str:
    """Neither truth files nor the objects of the caller are looked at."""
    found = []
    for swap in (False, True):
        with Watch(len(subject.log), swap=swap) as watch:
            found.append(as_scores(subject.fitted().score(subject.stream)))
        if watch.seen:
            return f"it {watch.seen[0]}: expected it to use nothing but its batches and its knowledge"
    return _difference(found[0], found[1], "scores follow the labels in a truth file")


def _other_future(subject: Subject, cut: int) -> EventBatch:
    """The stream with other events from row `cut` on: other codes, some of names that did not exist before."""
    rng = np.random.default_rng(1)
    seen = subject.log.batch(subject.half, subject.half + cut).seen
    texts = subject.log.vocabulary.texts()
    names: dict[str, Iterable[str]] = {
        n: [*known[: seen.get(n, len(known))], *(f"other-{n}-{i}" for i in range(100))] for n, known in texts.items()
    }
    vocabulary = Vocabulary(names)
    columns: dict[str, Array] = {}
    for name, column in subject.stream.columns.items():
        columns[name] = changed = column.copy()
        later = changed[cut:]
        if name in CODED:
            later[:] = rng.integers(0, len(vocabulary[name]), len(later))
        elif name == "arrived":
            later += np.cumsum(rng.integers(0, HOUR, len(later)))
        else:
            later[:] = rng.permutation(later)
    return EventBatch(columns, vocabulary)


def _without(batch: EventBatch, gone: Iterable[str], absent: bool) -> EventBatch:
    lacking = frozenset(gone)
    columns: Mapping[str, Array] = {
        n: np.full_like(c, -1) if n in lacking else c for n, c in batch.columns.items() if not (absent and n in lacking)
    }
    return EventBatch(columns, batch.vocabulary, batch.seen)


def _shape(scores: Array, length: int, what: str) -> str:
    if scores.shape != (length,):
        return f"{what} gave scores of shape {scores.shape}: expected ({length},)"
    return f"{what} gave infinite scores: expected finite numbers or NaN" if np.isinf(scores).any() else ""


def _difference(wanted: Array, found: Array, what: str) -> str:
    """Empty if the scores agree (apart from rounding)."""
    if wanted.shape != found.shape:
        return f"{what}: shapes {wanted.shape} and {found.shape}"
    differ = ~np.isclose(wanted, found, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not differ.any():
        return ""
    row = int(np.argmax(differ))
    first = f"first event {row} with {wanted[row]:g} against {found[row]:g}"
    return f"{what}: {int(differ.sum())} of {len(wanted)} events, {first}"
