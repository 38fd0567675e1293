"""Time to detect, with what was missed left in.

A missed incident is not without a time to detect: its time is longer than we could watch.  Delays are therefore
right-censored survival times, and S(t), the share of incidents not yet detected after t, is estimated by Kaplan and
Meier (1958): S(t) = product over detection times t_j <= t of (1 - d_j / n_j), with d_j detections among the n_j
incidents still at risk.  A missed incident that ended unseen stays at risk to the end of the follow-up: it can
never be detected any more, so it must not leave early, or missing the slow ones would improve the figures.

Units: any, the same throughout; the tables use seconds.  `delay` is NaN for a missed incident, and `follow_up` is how
long it could have been detected (ignored where there is a delay).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scopedrift.experiments.evaluation.intervals import spread_of, t_quantile
from scopedrift.simulator.log.events import Array

NAN: Final = float("nan")
GROUPS: Final = 200
"""Groups of units that are left out one at a time, at most."""


@dataclass(frozen=True)
class TimeToDetect:
    """What the delays of a set of incidents say."""

    median: float
    """The smallest t with S(t) <= 1/2; NaN: not reached (or no incident)."""
    median_low: float
    median_high: float
    """Its 95 % interval (Brookmeyer and Crowley 1982, from log-log bands); a NaN bound was not reached."""
    restricted_mean: float
    """The mean of min(delay, tau): the area under S up to tau, S staying level beyond the last follow-up."""
    tau: float
    incidents: int
    detected: int


def time_to_detect(delay: Array, follow_up: Array, tau: float) -> TimeToDetect:
    """Median with its interval, and mean restricted to `tau`, of right-censored delays."""
    delay = np.asarray(delay, float)
    detected = int(np.count_nonzero(~np.isnan(delay)))
    if not len(delay):
        return TimeToDetect(NAN, NAN, NAN, NAN, tau, 0, 0)
    mean = restricted_mean(delay, follow_up, tau)
    if not detected:
        return TimeToDetect(NAN, NAN, NAN, mean, tau, len(delay), 0)
    times, share, low, high = _limits(delay, follow_up)
    return TimeToDetect(
        median=_crossing(times, share),
        median_low=_crossing(times, low),
        median_high=_crossing(times, high),
        restricted_mean=mean,
        tau=tau,
        incidents=len(delay),
        detected=detected,
    )


def survival(delay: Array, follow_up: Array) -> tuple[Array, Array]:
    """The Kaplan-Meier curve: ascending times, and the share of incidents not yet detected after each of them."""
    if not len(delay):
        return np.empty(0), np.empty(0)
    steps = _curve(delay, follow_up)
    return np.asarray(steps.quantiles), np.asarray(steps.probabilities)


def detected_by(delay: Array, follow_up: Array, t: float) -> float:
    """P(detected by t) = 1 - S(t); NaN if there is no incident."""
    if not len(delay):
        return NAN
    times, share = survival(delay, follow_up)
    at = int(np.searchsorted(times, t, side="right")) - 1
    return 0.0 if at < 0 else 1.0 - float(share[at])


def median(delay: Array, follow_up: Array) -> float:
    """The smallest t with S(t) <= 1/2; NaN if it is not reached."""
    return float(weighted(delay, follow_up, np.ones((1, len(delay))), 0.0)[0][0])


def restricted_mean(delay: Array, follow_up: Array, tau: float) -> float:
    """The area under S from 0 to tau: mean time to detect when nobody looks longer than tau."""
    return float(weighted(delay, follow_up, np.ones((1, len(delay))), tau)[1][0])


def weighted(delay: Array, follow_up: Array, weights: Array, tau: float) -> tuple[Array, Array]:
    """Median (NaN: not reached) and restricted mean for each row of `weights`, which counts every incident."""
    if not len(delay):
        return np.full(len(weights), NAN), np.full(len(weights), NAN)
    times, share, some = _shares(delay, follow_up, weights)
    half = share <= 0.5 + 1e-12
    median = np.where(half.any(axis=1), times[np.argmax(half, axis=1)], NAN)
    edges = np.minimum(np.concatenate([[0.0], times, [tau]]), tau)
    area = np.column_stack([np.ones(len(weights)), share]) @ np.diff(np.maximum.accumulate(edges))
    return np.where(some, median, NAN), np.where(some, area, NAN)


def clustered(delay: Array, follow_up: Array, unit: Array, tau: float) -> tuple[tuple[float, float], float, int]:
    """Over units that were drawn independently (worlds): the median's 95 % interval, the restricted mean's standard
    error, and the number of units.

    Both come from leaving out one unit at a time (one group of units where there are more than `GROUPS`).  The median's
    bounds are the times at which S, on the log-log scale, does not differ from one half (Brookmeyer and Crowley 1982,
    with a variance that knows the units).  A NaN bound is not reached.
    """
    groups = np.unique(unit, return_inverse=True)[1].ravel() % GROUPS
    count = int(groups.max(initial=-1)) + 1
    if count < 2:
        return (NAN, NAN), NAN, count
    without = (groups[None, :] != np.arange(count)[:, None]).astype(float)
    error = spread_of(weighted(delay, follow_up, without, tau)[1])
    times, share, _ = _shares(delay, follow_up, np.vstack([np.ones(len(without[0])), without]))
    whole, rest = share[0], share[1:]
    se = np.sqrt((count - 1) / count * ((rest - rest.mean(axis=0)) ** 2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = 1.0 / (whole * np.log(whole))
        z = (np.log(-np.log(0.5)) - np.log(-np.log(whole))) / np.abs(slope * se)
    z = np.where((whole <= 0.0) | (whole >= 1.0) | (se == 0.0), np.where(whole > 0.5, np.inf, -np.inf), z)
    z = np.where(np.abs(whole - 0.5) < 1e-12, 0.0, z)
    reach = t_quantile(count, 0.95)
    return (_first(times, z <= reach), _first(times, z < -reach)), error, count


def _first(times: Array, where: Array) -> float:
    return float(times[np.argmax(where)]) if where.any() else NAN


def _shares(delay: Array, follow_up: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Ascending times, S at them for each row of `weights`, and whether a row counts any incident at all."""
    delay = np.asarray(delay, float)
    missed = np.isnan(delay)
    times = np.where(missed, follow_up, delay)
    order = np.lexsort((missed, times))  # at the same time, detections come before the ends of follow-ups
    times, missed, weights = times[order], missed[order], np.asarray(weights, float)[:, order]
    at_risk = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    gone = np.where(missed, 0.0, weights)
    share = np.cumprod(1.0 - np.divide(gone, at_risk, out=np.zeros_like(at_risk), where=at_risk > 0), axis=1)
    return times, share, at_risk[:, 0] > 0


def _curve(delay: Array, follow_up: Array) -> Any:
    """The Kaplan-Meier curve."""
    from scipy import stats

    delay = np.asarray(delay, float)
    missed = np.isnan(delay)
    right = np.asarray(follow_up, float)[missed]
    return stats.ecdf(stats.CensoredData(uncensored=delay[~missed], right=right)).sf


def _limits(delay: Array, follow_up: Array) -> tuple[Array, Array, Array, Array]:
    """Times, S at them, and its 95 % limits; where these are undefined (S still 1, or 0) they are S itself."""
    import warnings

    steps = _curve(delay, follow_up)
    share = np.asarray(steps.probabilities)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scipy warns where S is 0 or 1, which is handled here
        bands = steps.confidence_interval(0.95, method="log-log")
    low, high = np.asarray(bands.low.probabilities), np.asarray(bands.high.probabilities)
    low, high = np.where(np.isnan(low), share, low), np.where(np.isnan(high), share, high)
    return np.asarray(steps.quantiles), share, low, high


def _crossing(times: Array, share: Array) -> float:
    """The first time at which a falling curve is at or below one half; NaN if it never is."""
    half = np.flatnonzero(share <= 0.5 + 1e-12)
    return float(times[half[0]]) if len(half) else NAN
