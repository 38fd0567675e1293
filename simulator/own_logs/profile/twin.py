"""A twin: a scenario that simulates a platform like the one of a profile, for any length.

Identities become workloads of the family that they resemble; streams, projects, sharing and delays are the log's.  A
few rounds of simulating and comparing set load, errors and novelty.  A twin uses only the operations of the
catalogue's families.  `compare` shows how close it is, statistic by statistic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from scopedrift.scenarios import Scenario, catalogue
from scopedrift.scenarios.documents import Plain, write
from scopedrift.scenarios.durations import format_duration
from scopedrift.scenarios.loader import load_text, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.events import DAY, STREAMS
from scopedrift.simulator.own_logs.profile.learn import Profile
from scopedrift.simulator.own_logs.profile.statistics import Statistics, statistics
from scopedrift.simulator.records.errors import LogError

BASE: Final = "quickstart"
"""The scenario that a twin extends: its changes, incidents and windows."""
ROUNDS: Final = 3
"""Rounds of correction of load, errors and novelty."""
LONGEST: Final = 7 * DAY
"""Maximum length of the simulation for the comparison."""
FACTORS: Final = {"load": (0.01, 50.0), "errors": (0.01, 10.0), "novelty": (0.0, 10.0)}
"""Lower and upper bound of each factor (assumed)."""
STEP: Final = 20.0
"""Largest factor of one correction (assumed)."""
ALIKE: Final = 1.5
"""Numbers are alike within this factor (assumed)."""
NEAR: Final = 0.2
"""Shares are alike within this distance, and mixes if at most this share would have to move (assumed)."""

Progress = Callable[[float, str], None]
Verdict = Literal["alike", "differs"]


@dataclass(frozen=True)
class Compared:
    """One statistic of both."""

    name: str
    original: float | str
    twin: float | str
    distance: float
    """The factor between two numbers (at least 1), or the share of a mix that differs (0 to 1)."""
    verdict: Verdict


def twin(profile: Profile, name: str, progress: Progress | None = None) -> tuple[Scenario, Plain, Statistics]:
    """The scenario, its file as plain data, and its statistics.

    These are of a time as long as the log (a week at most) and at the same time of day, without incidents and changes.
    Raises `LogError` if nothing happens in that time.
    """
    plain = _plain(profile, name)
    show = progress or (lambda done, what: None)
    for round_ in range(ROUNDS + 1):
        show(round_ / (ROUNDS + 1), "simulating the twin")
        found = _measured(plain, profile)
        if round_ == ROUNDS:
            break
        wanted = profile.statistics
        _correct(plain, "load", wanted["events_per_day"], found["events_per_day"])
        _correct(plain, "errors", wanted["errors"] + wanted["denied"], found["errors"] + found["denied"])
        _correct(plain, "novelty", wanted["new_operations"], found["new_operations"])
    return load_text(write(plain)), plain, found


def _plain(profile: Profile, name: str) -> Plain:
    counts = Counter(each.family for each in profile.identities)
    streams: dict[str, Plain] = {stream: {"enabled": stream in profile.delays_s} for stream in STREAMS}
    for stream, delay in profile.delays_s.items():
        if stream in streams:
            streams[stream]["delay"] = format_duration(max(round(delay * 1e6), 0))
    streams["cloud_audit"]["data_events"] = profile.data_events
    streams["kubernetes_audit"]["level"] = "Request" if profile.images else "Metadata"
    return {
        "name": name,
        "extends": BASE,
        "description": "A platform like that of a real log.",
        "organisation": {"projects": profile.projects},
        "identities": {"sharing": min(round(float(profile.statistics["shared"]), 2), 1.0)},
        "load": 1.0,
        "errors": 1.0,
        "novelty": 1.0,
        "workloads": {family: _sized(family, counts[family]) for family in catalogue.families()},
        "telemetry": streams,
    }


def _sized(family: str, identities: int) -> Plain | str:
    """The family's size for about this number of identities; off for none."""
    if not identities:
        return "off"
    known = catalogue.families()[family]
    assert known.size is not None
    return {known.size.parameter: max(round(identities / known.size.each(known.resolve({}))), 1)}


def _measured(plain: Plain, profile: Profile) -> Statistics:
    """The statistics of the twin in a time like that of the log, after a day to settle."""
    length = min(round(profile.statistics["days"] * DAY), LONGEST)
    horizon = format_duration(2 * DAY + length)
    whole = {"horizon": horizon, "windows.baseline": "8h", "windows.calibration": "8h", "changes": [], "incidents": []}
    scenario = override(load_text(write(plain)), whole)
    begin = scenario.start_us + DAY + profile.first_us % DAY
    try:
        return statistics(simulate(scenario, 0).log, (begin, begin + length))
    except ValueError:
        lasts = format_duration(length)
        raise LogError(
            f"a twin of this log would be idle for its whole {lasts}: the log is too short or has too few events"
        ) from None


def _correct(plain: Plain, factor: str, wanted: float, found: float) -> None:
    low, high = FACTORS[factor]
    ratio = min(max(wanted / found, 1.0 / STEP), STEP) if found > 0 else 1.0
    plain[factor] = round(float(min(max(plain[factor] * ratio, low), high)), 3)


def compare(original: Statistics, other: Statistics) -> list[Compared]:
    """Both side by side, without their lengths."""
    rows = []
    for name, value in original.items():
        if name == "days":
            continue
        if isinstance(value, Mapping) and not name.startswith("events_per"):
            keys = {*value, *other[name]}
            rows.append(_mix(name, value, other[name], keys))
        elif isinstance(value, Mapping):
            rows += [_number(f"{name}.{key}", value[key], other[name][key]) for key in value]
        else:
            rows.append(_number(name, value, other[name]))
    return rows


def _mix(name: str, original: Mapping[str, float], other: Mapping[str, float], keys: set[str]) -> Compared:
    apart = sum(abs(original.get(key, 0.0) - other.get(key, 0.0)) for key in keys) / 2
    return Compared(name, _top(original), _top(other), round(apart, 3), "alike" if apart <= NEAR else "differs")


def _top(shares: Mapping[str, float]) -> str:
    first = sorted(shares.items(), key=lambda each: -each[1])[:3]
    return ", ".join(f"{key} {share:.0%}" for key, share in first)


SHARES: Final = ("busiest_identity", "shared", "new_operations", "new_resources", "burstiness")
"""Numbers whose difference counts, not their ratio."""


def _number(name: str, original: float, other: float) -> Compared:
    if name in SHARES:
        apart = abs(original - other)
        return Compared(name, original, other, round(apart, 3), "alike" if apart <= NEAR else "differs")
    least, most = sorted((float(original), float(other)))
    factor = most / least if least > 0 else (1.0 if most == least else float("inf"))
    return Compared(name, original, other, round(factor, 2), "alike" if factor <= ALIKE else "differs")
