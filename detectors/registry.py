"""The table of detectors that have a name: built-in ones, adapters, and those of other packages.

Other packages offer detectors by entry points of the group `scopedrift.detectors`.  Nothing is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

GROUP: Final = "scopedrift.detectors"
"""The entry-point group in which other packages offer detectors."""

BUILTIN: Final[Mapping[str, str]] = {
    name: f"scopedrift.detectors.builtin.{target}"
    for name, target in {
        "never": "references:Never",
        "always": "references:Always",
        "random": "references:Random",
        "oracle": "references:Oracle",
        "declared-policy": "declared_policy:DeclaredPolicy",
        "first-seen": "first_seen:FirstSeen",
        "rate": "rate:Rate",
        "sequence": "sequence:Sequence",
        "chain-correlation": "chain_correlation:ChainCorrelation",
        "start-up": "start_up:StartUp",
        "peer-group": "peer_group:PeerGroup",
        "task-context": "task_context:TaskContext",
        "change-aware": "change_aware:ChangeAware",
        "drift": "drift:ActivityDrift",
        "isolation-forest": "outliers:IsolationForest",
        "histogram": "outliers:Histogram",
        "ensemble": "ensemble:Ensemble",
    }.items()
}
"""Built-in names and where their classes are (`module:Class`)."""

ON_REQUEST: Final[Mapping[str, str]] = {
    name: f"scopedrift.detectors.{target}"
    for name, target in {
        "periodic": "builtin.references:Periodic",
        "half-space-trees": "builtin.half_space_trees:HalfSpaceTrees",
        "river": "adapters.river:River",
        "pyod": "adapters.pyod:Pyod",
        "sklearn": "adapters.sklearn:Sklearn",
        "agentnorm": "adapters.agentnorm:Agentnorm",
        "sigma": "adapters.sigma.detector:Sigma",
        "program": "adapters.program:Program",
        "http": "adapters.http:Http",
        "isolated": "isolation.isolated:Isolated",
    }.items()
}
"""Detectors that run only on request, and where their classes are: adapters, and detectors with special needs."""

REFERENCES: Final[Mapping[str, str]] = {
    "never": "alerts on nothing",
    "always": "gives every event the same score",
    "random": "scores at random",
    "oracle": "knows the truth and only tests the measurement",
    "periodic": "alerts at fixed intervals",
}
"""What each reference detector does.  They show what a detector without skill achieves; `oracle`, what the truth does.

The built-in ones are part of every result.
"""


def reference(label: str) -> str:
    """What the reference detector of this name does; empty for a detector under test.

    `label` is the name that results show: parameters in parentheses may follow it.
    """
    return REFERENCES.get(label.partition("(")[0], "")


def ours(name: str) -> str | None:
    """Where the class of one of our names is (`module:Class`); `None` for other names."""
    return BUILTIN.get(name) or ON_REQUEST.get(name)


def plugins() -> Mapping[str, EntryPoint]:
    """The detectors of installed packages, by name; our own names take precedence."""
    return _plugins(tuple(sys.path))


@cache
def _plugins(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """`plugins` of a search path: reading what every installed package declares takes hundredths of a second."""
    return {point.name: point for point in entry_points(group=GROUP) if ours(point.name) is None}
