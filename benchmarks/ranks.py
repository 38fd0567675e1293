"""How often ranks call equal detectors different: boards of detectors that catch the same on average.

    python benchmarks/ranks.py [--boards 200] [--detectors 8] [--worlds 12]

Ranks judge all pairs together at 5 %.  The rows differ in how a detector's recall varies by world: `alike` detectors
follow one distribution, `unlike` ones have the same mean, and every other one is bursty (beta, by its first parameter).
Prints Markdown, and takes about two minutes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd

from scopedrift.experiments.evaluation.statistics import ALPHA, differing
from scopedrift.simulator.log.events import Array

MEAN = 0.25
"""Recall of every detector."""
INCIDENTS = (18, 30)
"""Of a world: about as many as in `core`."""
Rates = Callable[[np.random.Generator, int, int], Array]


def bursty(shape: float) -> Rates:
    """Recalls by detector and world that vary as a beta distribution does."""
    return lambda rng, detectors, worlds: rng.beta(shape, shape * (1 - MEAN) / MEAN, (detectors, worlds))


def unlike(shape: float) -> Rates:
    """Every other detector catches the same share in each world."""

    def made(rng: np.random.Generator, detectors: int, worlds: int) -> Array:
        rates = bursty(shape)(rng, detectors, worlds)
        rates[::2] = MEAN
        return rates

    return made


def by_world(rng: np.random.Generator, detectors: int, worlds: int) -> Array:
    """Worlds are easy or hard, for all detectors alike."""
    return np.tile(bursty(1.0)(rng, 1, worlds), (detectors, 1))


KINDS: dict[str, Rates] = {
    "alike, even": lambda rng, detectors, worlds: np.full((detectors, worlds), MEAN),
    "alike, easy and hard worlds": by_world,
    "alike, bursty (1)": bursty(1.0),
    "alike, all or nothing (0.25)": bursty(0.25),
    "unlike, bursty (2)": unlike(2.0),
    "unlike, bursty (1)": unlike(1.0),
    "unlike, all or nothing (0.25)": unlike(0.25),
}


def board(rates: Array, rng: np.random.Generator) -> pd.DataFrame:
    """The cells of detectors with these recalls."""
    detectors, worlds = rates.shape
    incidents = rng.integers(*INCIDENTS, worlds)
    caught = rng.binomial(incidents, rates)
    return pd.DataFrame(
        {
            "scenario": "s",
            "seed": np.tile(np.arange(worlds), detectors),
            "detector": np.repeat([f"d{i:02}" for i in range(detectors)], worlds),
            "status": "ok",
            "detected": caught.ravel(),
            "incidents": np.tile(incidents, detectors),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=200)
    parser.add_argument("--detectors", type=int, default=8)
    parser.add_argument("--worlds", type=int, default=12)
    options = parser.parse_args()
    pairs = list(itertools.combinations([f"d{i:02}" for i in range(options.detectors)], 2))
    print("| detectors | boards with a false verdict |\n| --- | --- |")
    for kind, rates in KINDS.items():
        rng = np.random.default_rng(0)
        wrong = 0
        for _ in range(options.boards):
            table = board(rates(rng, options.detectors, options.worlds), rng)
            wrong += any(p < ALPHA for p in differing(table, pairs, "recall")[0].values())
        print(f"| {kind} | {wrong / options.boards:.1%} |", flush=True)


if __name__ == "__main__":
    main()
