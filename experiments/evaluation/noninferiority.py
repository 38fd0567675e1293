"""Has something become worse by more than luck, and could that have been seen?  World by world, before against now.

Each world gives a count from before (`base`: incidents caught, or false alarms) and how much worse it is now (`worse`:
incidents lost less those gained, or false alarms added less those gone).  The *loss* is the sum of `worse` over the sum
of `base`.  Worlds are the independent unit: what one threshold decides is decided for a whole world.

- `turned_sum_p`: if nothing has changed, each world's difference could as well have the other sign (Fisher's exact
  randomisation test for pairs).
- `loss_interval`: the losses that the worlds do not exclude.  The standard error is that of a ratio over worlds, and
  at least what the loss in question causes by itself (a score interval), so that unchanged counts still leave room for
  the losses that a handful of them cannot exclude.  To say that nothing was lost takes an interval that excludes the
  loss that matters; a test without significance proves nothing (Piaggio et al. 2012, CONSORT for non-inferiority).
- `power`: the chance that the test finds a loss, given how much worlds were seen to vary between before and now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scopedrift.simulator.log.events import Array

Kind = Literal["share", "rate"]
"""`share`: each counted thing is lost or not (incidents). `rate`: things are added (false alarms)."""
DRAWS: Final = 500
"""Simulated gates from which power is estimated: a standard error of at most 2.2 points."""
TURNS: Final = 1_024
EXACT: Final = 12
"""Up to this many worlds all turns are made."""


@dataclass(frozen=True)
class Loss:
    """A loss with the bounds of its two-sided interval; NaN where there was nothing to lose."""

    estimate: float
    low: float
    high: float


def turned_sum_p(differences: Sequence[int]) -> float:
    """The share of all turns of the signs of `differences` that sum up to at least what they sum up to as they are.

    >>> turned_sum_p([1, 1, 1])
    0.125
    """
    turns = np.ones(1)  # the distribution of how much of the sum is turned to the positive side
    for size in map(abs, differences):
        if size:
            wider = np.zeros(len(turns) + size)
            wider[: len(turns)] += turns / 2
            wider[size:] += turns / 2
            turns = wider
    return float(min(turns[sum(d for d in differences if d > 0) :].sum(), 1.0))


def loss_interval(worse: Sequence[int], base: Sequence[int], kind: Kind, alpha: float) -> Loss:
    """The loss with its interval of confidence 1 - 2 * alpha: each bound alone fails with a chance of `alpha`.

    >>> unchanged = loss_interval([0] * 20, [5] * 20, "share", 0.05)
    >>> unchanged.estimate, unchanged.high < 0.05
    (0.0, True)
    """
    from scipy.stats import t

    lost, had = np.asarray(worse, float), np.asarray(base, float)
    total, worlds = float(had.sum()), len(had)
    if not total or worlds < 2:
        return Loss(math.nan, math.nan, math.nan)
    estimate = float(lost.sum()) / total
    variance = worlds / (worlds - 1) * float(((lost - estimate * had) ** 2).sum())
    reach = float(t.ppf(1.0 - alpha, worlds - 1))

    def excluded(loss: float) -> bool:
        own = abs(loss) * max(1.0 - abs(loss), 0.0) if kind == "share" else abs(loss)
        return abs(loss - estimate) * total > reach * math.sqrt(max(variance, own * total))

    def bound(step: float) -> float:
        inside, outside = estimate, estimate + step
        while not excluded(outside) and abs(outside - estimate) < 1e6:
            outside = estimate + 2.0 * (outside - estimate)
        for _ in range(30):
            middle = (inside + outside) / 2.0
            inside, outside = (inside, middle) if excluded(middle) else (middle, outside)
        return outside

    return Loss(estimate, bound(-0.01), bound(0.01))


def power(worse: Sequence[int], base: Sequence[int], loss: float, alpha: float, least: float) -> float:
    """The chance that incidents lost with chance `loss` each are found: significant at `alpha`, and a share of `least`.

    The worlds vary beside that as they were seen to vary: the differences that the estimated loss does not explain,
    turned at random.  Deterministic.
    """
    lost, had = np.asarray(worse, float), np.asarray(base, float)
    total, worlds = float(had.sum()), len(had)
    if not total or worlds < 2:
        return 0.0
    rest = lost - lost.sum() / total * had
    unexplained = np.round(rest)
    kept = _unexplained_share(rest, unexplained, lost, had)
    rng = np.random.default_rng(0)
    noise = unexplained * rng.choice([-1.0, 1.0], (DRAWS, worlds)) * (rng.random((DRAWS, worlds)) < kept)
    drawn = rng.binomial(had.astype(int), loss, (DRAWS, worlds)) + noise
    sums = drawn.sum(axis=1)
    p_values = (_signs(worlds) @ drawn.T >= sums - 1e-9).mean(axis=0)
    return float(np.mean((p_values < alpha) & (sums >= least * total - 1e-9)))


def _unexplained_share(rest: Array, unexplained: Array, lost: Array, had: Array) -> float:
    """The share of the variation around the estimated loss that the loss itself does not cause."""
    size = float((unexplained**2).sum())
    if not size:
        return 0.0
    worlds, estimate = len(had), float(lost.sum() / had.sum())
    seen = worlds / (worlds - 1) * float((rest**2).sum())
    beyond_luck = estimate * had.sum() > 1.28 * math.sqrt(seen)  # one-sided 10 %: else the estimate itself is noise
    own = float(had.sum()) * estimate * max(1.0 - estimate, 0.0) if beyond_luck else 0.0
    return min(max((seen - own) / size, 0.0), 1.0)


def _signs(worlds: int) -> Array:
    """Turns of signs, `(turns, worlds)`: all of them, or as they are and random ones."""
    if worlds <= EXACT:
        return 1.0 - 2.0 * ((np.arange(2**worlds)[:, None] >> np.arange(worlds)) & 1)
    drawn = np.random.default_rng(1).choice([-1.0, 1.0], (TURNS - 1, worlds))
    return np.vstack([np.ones(worlds), drawn])
