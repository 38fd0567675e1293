"""The conformance checks themselves, in order: small named functions over a `Candidate`.

Each returns what is wrong, with what was expected, or an empty text.  An exception is a failure as well.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import Field
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector, Scores, SearchRange
from scopedrift.detectors.conformance.candidate import (
    MAX_COST,
    Candidate,
    as_scores,
    difference,
    own_copy,
    with_other_future,
    without,
    wrong_shape,
)
from scopedrift.detectors.conformance.cheats import attempted
from scopedrift.detectors.conformance.sample import sample_knowledge, sample_log
from scopedrift.detectors.description import describe
from scopedrift.detectors.knowledge import KINDS
from scopedrift.simulator.log.events import CODED, COLUMNS, HOUR, TIMES, Array, EventBatch, Vocabulary

Check = Callable[[Candidate], str]
CHECKS: Final[list[tuple[Check, str]]] = []
"""Every check with the reason why it matters, in order."""

_PATIENCE: Final = 5.0
"""Seconds in which threads may let go of memory."""
_ELSEWHERE: Final = """
import json, sys
from scopedrift.detectors.conformance import checks
from scopedrift.detectors.loading import load
print(json.dumps([float(score) for score in checks._on_sample(load(sys.argv[1]))]))
"""


def _because(why: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS.append((function, why))
        return function

    return register


def _ranges(cls: type[Detector]) -> Iterator[tuple[str, SearchRange, object]]:
    """Name, range and default of each parameter that has a range."""
    for parameter in describe(cls).parameters:
        if parameter.range is not None:
            yield parameter.name, parameter.range, parameter.default


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def _on_sample(detector: Detector) -> Scores:
    """Scores of a small made-up log that is the same everywhere."""
    log = sample_log(600)
    detector.fit(log.batch(0, 300), sample_knowledge().limited(detector.needs))
    return detector.score(log.batch(300, 600))


@_because("nothing can be evaluated without it")
def fits(candidate: Candidate) -> str:
    """The detector is made without arguments, fits, and says what knowledge it needs."""
    detector = candidate.make()
    if not isinstance(detector, Detector):
        return f"made a {type(detector).__name__}: expected a subclass of scopedrift.detectors.Detector"
    if unknown := frozenset(detector.needs) - frozenset(KINDS):
        return f"needs unknown knowledge {sorted(unknown)}: expected some of {', '.join(KINDS)}"
    detector.fit(candidate.history, candidate.known_to(detector))
    return ""


@_because("parameters are recorded with every result, and a tuner searches their ranges")
def has_typed_parameters(candidate: Candidate) -> str:
    """The parameters rebuild the detector, and their defaults lie in their ranges."""
    detector = candidate.make()
    given = detector.parameters()
    stray = [n for c in type(detector).__mro__ for n, item in vars(c).items() if isinstance(item, Field)]
    if stray:
        return f"{', '.join(stray)} stayed a field: expected @dataclass on the class, for parameters with param(...)"
    twin = type(detector)(**given)
    if twin.parameters() != given:
        return f"made from {given} it reports {twin.parameters()}: expected parameters to be stored unchanged"
    for name, span, default in _ranges(type(detector)):
        if not span.low < span.high or (span.log and span.low <= 0):
            return f"{name} has the range {span.low:g} to {span.high:g}: expected low < high, above 0 if logarithmic"
        if not isinstance(default, (int, float)) or not span.low <= default <= span.high:
            return f"{name} is {default!r} unless given: expected a value from {span.low:g} to {span.high:g}"
    return ""


@_because("scores are matched with events by position")
def scores_have_the_right_shape(candidate: Candidate) -> str:
    """One real number per event."""
    shape = candidate.scores.shape
    return (
        "" if shape == (len(candidate.stream),) else f"scores have shape {shape}: expected ({len(candidate.stream)},)"
    )


@_because("thresholds need an order; NaN is how a detector says that it cannot judge an event")
def scores_are_finite_or_abstain(candidate: Candidate) -> str:
    """No infinities; abstaining (NaN) is allowed, but not on every event, and not for good from some event on."""
    if np.isinf(candidate.scores).any():
        return (
            f"{int(np.isinf(candidate.scores).sum())} scores are infinite: expected finite numbers, or NaN to abstain"
        )
    judged = np.flatnonzero(~np.isnan(candidate.scores))
    if not len(judged):
        return "every score is NaN: expected a judgement on some events of a log with all columns"
    if judged[-1] < len(candidate.scores) // 2:
        return f"from event {judged[-1] + 1} on every score is NaN: expected an abstention to concern its event alone"
    return ""


@_because("a detector that uses later events cannot run in production, and its results here are worthless")
def is_causal(candidate: Candidate) -> str:
    """Other events later on, of other names, leave earlier scores as they are."""
    cut = len(candidate.stream) // 2
    other = with_other_future(candidate, cut)
    changed = as_scores(candidate.fitted().score(other))
    return difference(candidate.scores[:cut], changed[:cut], "scores changed when only later events were changed")


@_because("the size of a batch is an accident of delivery and must not decide what is found")
def is_independent_of_batch_cuts(candidate: Candidate) -> str:
    """The same events in batches of any size, one event at a time included, give the same scores."""
    for size, limit in ((len(candidate.stream) // 3, None), (64, None), (7, 600), (1, 200)):
        stop = len(candidate.log) if limit is None else min(len(candidate.log), candidate.half + limit)
        detector = candidate.fitted()
        parts = [as_scores(detector.score(b)) for b in candidate.log.batches(max(1, size), candidate.half, stop)]
        found = np.concatenate(parts)
        wanted = candidate.scores[: len(found)]
        if message := difference(wanted, found, f"batches of {size} gave other scores than one batch"):
            return message
    return ""


@_because("results that cannot be repeated cannot be compared; take random numbers from knowledge.seed")
def is_deterministic(candidate: Candidate) -> str:
    """Two runs with one seed agree, in any global random state."""
    state = random.getstate(), np.random.get_state()
    try:
        random.seed(1)
        np.random.seed(1)
        again = as_scores(candidate.fitted().score(candidate.stream))
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
    return difference(candidate.scores, again, "two runs with the same seed gave different scores")


@_because("workers are other processes; Python salts the hash of texts, and so the order of sets, in each of them")
def is_the_same_in_another_process(candidate: Candidate) -> str:
    """A process with another hash salt gives the same scores (checked if the detector can be named)."""
    if not candidate.spec:
        return ""
    salt = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    found = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, candidate.spec],
        env={**os.environ, "PYTHONHASHSEED": salt},
        capture_output=True,
        text=True,
    )
    if found.returncode:
        return f"another process failed ({found.stderr.strip().splitlines()[-1]}): expected the same scores"
    here = as_scores(_on_sample(candidate.make()))
    return difference(
        here, np.array(json.loads(found.stdout.splitlines()[-1]), float), "another process gave other scores"
    )


@_because("the same object is fitted again on the next world; what it remembers of the last one would leak")
def fit_starts_afresh(candidate: Candidate) -> str:
    """A second `fit` forgets everything before it."""
    detector = candidate.fitted()
    detector.score(candidate.stream)
    detector.fit(candidate.history, candidate.known_to(detector))
    again = as_scores(detector.score(candidate.stream))
    return difference(candidate.scores, again, "after a second fit the scores differ from those of a fresh detector")


@_because("a tuner tries every corner of a range")
def works_all_over_its_ranges(candidate: Candidate) -> str:
    """At both ends of each parameter's range it fits and scores."""
    made = candidate.make()
    history, stream = candidate.log.batch(0, 400), candidate.log.batch(400, 600)
    for name, span, _ in _ranges(type(made)):
        for value in (span.low, span.high):
            whole = isinstance(getattr(made, name), int)
            detector = type(made)(**{**made.parameters(), name: round(value) if whole else value})
            try:
                detector.fit(history, candidate.known_to(detector))
                scores = as_scores(detector.score(stream))
            except Exception as error:
                return f"raised {type(error).__name__}: {error} with {name}={value:g}: expected its whole range to work"
            if message := wrong_shape(scores, len(stream), f"{name}={value:g}"):
                return message
    return ""


@_because("other detectors and the scorer read the same arrays and names")
def leaves_its_input_alone(candidate: Candidate) -> str:
    """Neither columns, names nor knowledge are changed."""
    detector = candidate.make()
    pristine = EventBatch(candidate.columns, candidate.log.vocabulary)
    given = (pristine.slice(0, candidate.half), pristine.slice(candidate.half, len(candidate.log)))
    shown = [own_copy(batch) for batch in given]
    known = candidate.known_to(detector)
    detector.fit(shown[0], known)
    detector.score(shown[1])
    for what, before, now in zip(("history", "batch"), given, shown, strict=True):
        if extra := sorted(set(now.columns) - set(before.columns)):
            return f"the columns {', '.join(extra)} were added to its {what}: expected it untouched"
        changed = [n for n, c in before.columns.items() if n not in now.columns or not _same(c, now.columns[n])]
        if changed:
            return f"the columns {', '.join(changed)} of its {what} were changed: expected them untouched"
    candidate.fitted().score(candidate.stream)  # these are views of the log, as in an evaluation
    whole = candidate.log.batch(0, len(candidate.log)).columns
    for name, column in candidate.columns.items():
        if not _same(column, whole[name]):
            return f"the column {name} of the log behind its batches was changed: expected it untouched"
    if candidate.log.vocabulary.texts() != candidate.names:
        return "names were added to the vocabulary of the log: expected it untouched"
    if known != candidate.pristine.limited(detector.needs):
        return "fit or score changed the knowledge it was given: expected it untouched"
    return ""


@_because("quiet hours give empty batches, and single events are how a live stream comes")
def takes_empty_and_single_batches(candidate: Candidate) -> str:
    """Empty batches score to nothing and change nothing; single events work; so does an empty history."""
    detector = candidate.fitted()
    nothing = as_scores(detector.score(candidate.log.batch(candidate.half, candidate.half)))
    if nothing.shape != (0,):
        return f"an empty batch gave scores of shape {nothing.shape}: expected (0,)"
    one = as_scores(detector.score(candidate.log.batch(candidate.half, candidate.half + 1)))
    if one.shape != (1,):
        return f"a single event gave scores of shape {one.shape}: expected (1,)"
    if message := difference(candidate.scores[:1], one, "an empty batch in between changed the next score"):
        return message
    fresh = candidate.fitted(candidate.log.batch(0, 0))
    scores = as_scores(fresh.score(candidate.stream))
    return "" if scores.shape == (len(candidate.stream),) else "after an empty history the scores have the wrong shape"


@_because("incidents bring names that the baseline never showed")
def takes_unseen_names(candidate: Candidate) -> str:
    """Events whose every name is new are scored."""
    texts = candidate.log.vocabulary.texts()
    vocabulary = Vocabulary({n: [*known, *(f"unseen-{n}-{i}" for i in range(50))] for n, known in texts.items()})
    rows = np.arange(len(candidate.stream)) % 50
    columns = {
        n: c if n not in CODED else (len(texts[n]) + rows).astype(c.dtype) for n, c in candidate.stream.columns.items()
    }
    scores = as_scores(candidate.fitted().score(EventBatch(columns, vocabulary)))
    return wrong_shape(scores, len(rows), "events with new names")


@_because("real records lack parts, and some logs lack whole columns")
def takes_missing_columns(candidate: Candidate) -> str:
    """Any column but the times may be absent, or -1 throughout."""
    optional = [n for n in COLUMNS if n in candidate.stream.columns and n not in TIMES]
    history, stream = candidate.log.batch(0, 300), candidate.log.batch(300, 600)
    for gone in [*([n] for n in optional), optional]:
        label = gone[0] if len(gone) == 1 else "all but the times"
        for absent in (True, False):
            try:
                detector = candidate.fitted(without(history, gone, absent))
                scores = as_scores(detector.score(without(stream, gone, absent)))
            except Exception as error:
                how = "absent" if absent else "-1 throughout"
                return f"raised {type(error).__name__}: {error} with {label} {how}: expected scores (NaN to abstain)"
            if message := wrong_shape(scores, len(stream), f"a log without {label}"):
                return message
    return ""


@_because("clocks are skewed and telemetry is late: only arrival is in order")
def takes_times_out_of_order(candidate: Candidate) -> str:
    """Event times that jump back and ahead by hours are scored."""
    rng = np.random.default_rng(0)
    columns = dict(candidate.stream.columns)
    columns["time"] = columns["time"] + rng.integers(-30 * HOUR, 3 * HOUR, len(columns["time"]))
    scores = as_scores(candidate.fitted().score(EventBatch(columns, candidate.log.vocabulary, candidate.stream.seen)))
    return wrong_shape(scores, len(candidate.stream), "event times out of order")


@_because("one enormous transfer, or a broken counter, must not blind a detector for the rest of the month")
def recovers_from_great_numbers(candidate: Candidate) -> str:
    """After events with absurd numbers of bytes, the events that it judged before are still judged."""
    columns = dict(candidate.stream.columns)
    if "bytes" not in columns:
        return ""
    columns["bytes"] = columns["bytes"].copy()
    columns["bytes"][10:14] = 1 << 62  # two of them overflow a sum
    scores = as_scores(candidate.fitted().score(EventBatch(columns, candidate.log.vocabulary, candidate.stream.seen)))
    if message := wrong_shape(scores, len(candidate.stream), "a stream with enormous numbers of bytes"):
        return message
    lost = int(np.count_nonzero(np.isnan(scores[14:]) & ~np.isnan(candidate.scores[14:])))
    if lost:
        return (
            f"{lost} of {len(scores) - 14} events after enormous numbers of bytes are NaN: expected them to be judged"
        )
    return ""


@_because("a person on call reads it; it is called for every alert, and alerts depend on the threshold")
def explains_in_words(candidate: Candidate) -> str:
    """`explain` gives text for any event of the batch just scored, and changes no later score."""
    detector = candidate.fitted()
    cut = len(candidate.stream) // 2
    first = candidate.log.batch(candidate.half, candidate.half + cut)
    scores = as_scores(detector.score(first))
    for row in {0, cut - 1, int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))}:
        said: object = detector.explain(first, row)
        if not isinstance(said, str):
            return f"explain returned {type(said).__name__}: expected a sentence"
    later = as_scores(detector.score(candidate.log.batch(candidate.half + cut, len(candidate.log))))
    return difference(candidate.scores[cut:], later, "calls of explain changed later scores: expected no effect")


@_because("sweeps score millions of events; vectorise over the columns of a batch")
def is_fast_enough(candidate: Candidate) -> str:
    """In batches of 1,000, scoring costs at most `max_cost` times what reading the events one by one costs."""
    cost, most = candidate.cost, candidate.max_cost
    return "" if cost <= most else f"costs {cost:,.0f} times what reading the events costs: expected at most {most:g}"


@_because("a month of events must fit in memory: what is kept per event, or per task, adds up")
def memory_stays_bounded(candidate: Candidate) -> str:
    """On a steady stream, memory stops growing (a slow detector is shown less of it)."""
    rounds = 32
    size = 2500 if candidate.cost < MAX_COST / 4 else 250
    log = sample_log(size * rounds, days=64.0)
    detector = candidate.make()
    detector.fit(log.batch(0, 4 * size), candidate.known_to(detector))
    held: list[int] = []
    tracemalloc.start()
    try:
        for number in range(4, rounds):
            detector.score(own_copy(log.batch(number * size, (number + 1) * size)))
            if number >= 15 and (number + 1) % 4 == 0:
                held.append(tracemalloc.get_traced_memory()[0])
        events = (len(held) - 1) * 4 * size
        most = held[0] + (candidate.max_bytes_per_event + 20_000 / size) * events
        if held[-1] > most:  # a thread that is about to end may still hold a batch
            _await_threads()
            held[-1] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    if held[-1] > most:
        growth = (held[-1] - held[0]) / events
        return (
            f"memory grew by {growth:.0f} bytes an event to the end of a steady stream: expected at most "
            f"{candidate.max_bytes_per_event:g}, so bound what is remembered"
        )
    return ""


def _await_threads() -> None:
    """Lets other threads end, for a while."""
    until = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))


@_because("a detector that sees the labels measures nothing")
def keeps_away_from_the_truth(candidate: Candidate) -> str:
    """Neither truth files nor objects of the caller are looked at, and no world is simulated again."""
    return attempted(candidate)
