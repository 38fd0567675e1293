"""Time to detect as a survival curve (Kaplan-Meier).

A missed incident stays at risk until its follow-up ends, so missing the slow ones never makes a detector look faster.
The curve is the share of incidents that are still undetected t seconds after their first observable event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Survival:
    """A survival curve: `undetected[i]` holds from `times[i]` seconds on (before the first, all are undetected)."""

    times: Array
    undetected: Array
    censored: Array
    count: int

    def quantile(self, share: float) -> float:
        """Seconds until `share` of all incidents are detected; NaN when that is never reached."""
        reached = np.flatnonzero(self.undetected <= 1.0 - share + 1e-12)
        return float(self.times[reached[0]]) if len(reached) else float("nan")

    def at(self, seconds: Array) -> Array:
        """The share that is still undetected at each of `seconds`."""
        steps = np.concatenate([[1.0], self.undetected])
        return np.asarray(steps[np.searchsorted(self.times, seconds, side="right")])


def survival(incidents: pd.DataFrame) -> Survival:
    """Return the Kaplan-Meier curve over rows of the `incidents` table; what could not be observed does not count."""
    from scipy import stats

    delay = incidents["delay_s"].to_numpy(dtype=float)
    seen = incidents["detected"].to_numpy(dtype=bool) & np.isfinite(delay)
    times = np.where(seen, delay, incidents["follow_up_s"].to_numpy(dtype=float))
    known = np.isfinite(times)
    times, seen = np.maximum(times[known], 0.0), seen[known]
    if not len(times):
        return Survival(np.empty(0), np.empty(0), np.empty(0), 0)
    curve = stats.ecdf(stats.CensoredData.right_censored(times, ~seen)).sf
    return Survival(np.asarray(curve.quantiles), np.asarray(curve.probabilities), np.sort(times[~seen]), len(times))
