"""The catalogue: what a scenario can be made of, as data under `scenarios/data/`, read into typed models once.

Workload families, benign changes, drifts and attack chains are one YAML file each; techniques, operations and
signals are entries of one file.  Whatever is wrong in a file is a `ScenarioError` that names file, line and key;
names that one entry uses of another are checked as well.  Durations are integer microseconds.  Import from this
package only: its modules hold one kind of entry each.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from scopedrift.scenarios.catalogue.changes import Burst, Change, Effect, Reach, Surge
from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, Entry, Kind, Pace
from scopedrift.scenarios.catalogue.families import CREDENTIAL_STEP, TaskTurns, WorkloadFamily
from scopedrift.scenarios.catalogue.incidents import Chain, Drift, Enough, Signal, Stage, Technique, Template
from scopedrift.scenarios.catalogue.operations import Operation, calling_order, opening
from scopedrift.scenarios.catalogue.parameters import Configurable, Parameter, Values
from scopedrift.scenarios.catalogue.platform import PlatformData, Surroundings, Week
from scopedrift.scenarios.catalogue.reading import AnyEntry, read_entries, read_file, read_folder
from scopedrift.scenarios.catalogue.selectors import NAMED, Targets

__all__ = [
    "CREDENTIAL_STEP",
    "NAMED",
    "ORPHANED",
    "ActivitySpec",
    "Burst",
    "Chain",
    "Change",
    "Configurable",
    "Distribution",
    "Drift",
    "Effect",
    "Enough",
    "Entry",
    "Operation",
    "Pace",
    "Parameter",
    "PlatformData",
    "Reach",
    "Signal",
    "Stage",
    "Surge",
    "Surroundings",
    "Targets",
    "TaskTurns",
    "Technique",
    "Template",
    "Values",
    "Week",
    "WorkloadFamily",
    "calling_order",
    "chains",
    "changes",
    "drifts",
    "families",
    "opening",
    "operations",
    "platform",
    "root",
    "signals",
    "techniques",
]

ORPHANED: Final = "retired"
"""The family of workloads that are gone, whose identity still works: no file describes it."""


@cache
def root() -> Traversable:
    """The folder that holds the catalogue's files."""
    return files("scopedrift.scenarios") / "data"


def families() -> dict[str, WorkloadFamily]:
    """Workload families by name."""
    return _folder("workloads", WorkloadFamily)


def changes() -> dict[str, Change]:
    """Kinds of benign change by name."""
    return _folder("changes", Change)


def drifts() -> dict[str, Drift]:
    """Kinds of scope drift by name."""
    return _folder("drifts", Drift)


def chains() -> dict[str, Chain]:
    """Attack chains by name."""
    return _folder("chains", Chain)


def techniques() -> dict[str, Technique]:
    """Techniques by name."""
    return _entries("techniques.yaml", Technique)


def signals() -> dict[str, Signal]:
    """The guidance's signals by number."""
    return _entries("signals.yaml", Signal)


def operations() -> dict[str, Operation]:
    """Operations by name."""
    return _entries("operations.yaml", Operation)


def platform() -> PlatformData:
    """What all workloads share."""
    platform: PlatformData = read_file(root() / "platform.yaml", "platform.yaml", PlatformData, _names)  # type: ignore[arg-type]
    return platform


def _folder(name: str, model: type[AnyEntry]) -> dict[str, AnyEntry]:
    return read_folder(root(), name, model, _names)  # type: ignore[arg-type]  # paths are hashable


def _entries(name: str, model: type[AnyEntry]) -> dict[str, AnyEntry]:
    return read_entries(root(), name, model, _names)  # type: ignore[arg-type]


def _names(kind: Kind) -> Collection[str]:
    """The names that there are of a kind."""
    match kind:
        case "signal":
            return signals()
        case "family":
            return {*families(), ORPHANED}
        case "look-alike":
            return {*changes(), *families()}
        case "technique":
            return techniques()
        case "operation":
            return operations()
        case "slot":
            return {operation.slot for operation in operations().values()}
