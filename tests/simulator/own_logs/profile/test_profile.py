"""Profiles: statistics are what a plain count gives, families are found again, and a twin is like its log."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scopedrift.scenarios.loader import load, load_text, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, HOUR, Vocabulary
from scopedrift.simulator.own_logs.profile.learn import learn
from scopedrift.simulator.own_logs.profile.resemblance import cosine, families, nearest
from scopedrift.simulator.own_logs.profile.statistics import statistics
from scopedrift.simulator.own_logs.profile.twin import compare, twin
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log

DATA = Path(__file__).parents[2] / "records" / "reading" / "data"


@pytest.fixture(scope="module")
def trail():
    return import_log(DATA / "invictus.json").log


@pytest.fixture(scope="module")
def platform():
    """A log of a platform that is known, as if it were a real one."""
    few = {"incidents": [], "changes": [], "turns": 0, "load": 0.2, "horizon": "4d"}
    scenario = override(load("quickstart"), {**few, "windows.baseline": "1d", "windows.calibration": "1d"})
    return simulate(scenario, 3).log


def test_statistics_are_what_a_plain_count_gives(trail):
    found, table = statistics(trail), trail.frame()
    counts = Counter(table["identity"])
    assert found["identities"] == len(counts)
    assert found["busiest_identity"] == pytest.approx(max(counts.values()) / len(table), abs=1e-4)
    assert found["operations"] == table["operation"].nunique()
    assert found["errors"] == pytest.approx((table["outcome"] == "error").mean(), abs=1e-4)
    assert found["denied"] == pytest.approx((table["outcome"] == "denied").mean(), abs=1e-4)
    pairs = list(zip(table["identity"], table["operation"], strict=True))
    half = len(pairs) // 2
    new = sum(pair not in set(pairs[:half]) for pair in pairs[half:]) / (len(pairs) - half)
    assert found["new_operations"] == pytest.approx(new, abs=1e-4)
    span = table["time"].max() - table["time"].min()
    assert found["events_per_day"] == pytest.approx(len(table) / (span.total_seconds() / 86_400), rel=1e-3)


def log_of(identities, times):
    names = sorted(set(identities))
    codes = {name: i for i, name in enumerate(dict.fromkeys(identities))}
    columns = {
        "time": np.array(times),
        "arrived": np.array(times),
        "identity": np.array([codes[i] for i in identities]),
    }
    columns |= {name: np.zeros(len(times), np.int32) for name in ("operation", "service", "stream")}
    texts = {"identity": codes, "operation": ["GetObject"], "service": ["s3"], "stream": ["cloud_audit"]}
    assert len(names) == len(codes)
    return EventLog.from_columns(columns, Vocabulary(texts))


def test_burstiness_tells_a_clock_from_bursts():
    clock = log_of(["a"] * 50, [i * HOUR for i in range(50)])
    bursts = log_of(["a"] * 50, [i // 25 * DAY + i for i in range(50)])
    assert statistics(clock)["burstiness"] == pytest.approx(-1)
    assert statistics(bursts)["burstiness"] > 0.5


def test_kinds_are_read_from_behaviour():
    clock = learn(log_of(["a"] * 50, [i * HOUR for i in range(50)])).identities[0]
    jobs = learn(log_of(["a"] * 400, [i // 200 * DAY + i**2 for i in range(400)])).identities[0]
    provider = learn(log_of(["rds.amazonaws.com"] * 50, [i * HOUR for i in range(50)])).identities[0]
    rare = learn(log_of(["a"] * 3, [0, 1, 2])).identities[0]
    assert [each.kind for each in (clock, jobs, provider, rare)] == ["timed", "long job", "provider service", "rare"]


def test_every_family_resembles_itself_most():
    for name, (whole, *_) in families().items():
        assert nearest(whole) == name and cosine(whole, whole) == pytest.approx(1)
    assert nearest({("ec2", "DescribeVolumes"): 1.0}) == ""


def test_families_are_found_again(platform):
    """Names of simulated identities tell what they are; the guess does not look at them."""
    said = {"pipeline": "training", "service": "inference", "function": "serverless"}
    right = [
        each.family == said[word]
        for each in learn(platform).identities
        if (word := each.name.rpartition("/")[2].split("-")[0]) in said and each.events >= 50
    ]
    assert len(right) >= 15 and np.mean(right) >= 0.8


def test_a_profile_names_nobody_unless_asked_to(trail):
    found = learn(trail)
    assert "bert-jan" not in found.text(names=False) and "bert-jan" in found.text(names=True)


def test_a_twin_is_a_scenario_of_any_length_like_its_log(platform):
    profile = learn(platform)
    scenario, plain, measured = twin(profile, "like-it")
    rows = compare(profile.statistics, measured)
    differs = [row.name for row in rows if row.verdict == "differs"]
    assert len(differs) <= 5, differs
    assert {"events_per_day", "identities", "streams", "errors"}.isdisjoint(differs)
    longer = override(scenario, {"horizon": "40d"})
    assert longer.horizon == 40 * DAY and "spiffe" not in str(plain)


def test_what_differs_is_said(trail, platform):
    same = compare(statistics(trail), statistics(trail))
    other = compare(statistics(trail), statistics(platform))
    assert {row.verdict for row in same} == {"alike"}
    verdicts = {row.name: row.verdict for row in other}
    assert verdicts["services"] == verdicts["operations_per_identity"] == "differs"


def test_a_log_without_identities_teaches_nothing():
    times = np.arange(3)
    with pytest.raises(LogError, match="has an identity"):
        learn(EventLog.from_columns({"time": times, "arrived": times}, Vocabulary()))


def test_a_log_of_one_event_makes_a_twin_or_says_why_not():
    try:
        scenario, plain, _ = twin(learn(log_of(["a"], [5 * HOUR])), "one")
    except LogError as error:
        assert "too short" in str(error)
    else:
        assert load_text(scenario.to_yaml()) == scenario and plain["name"] == "one"
