"""A workload family's data: its activities compiled, its distributions tabulated.

A family is one module under `simulator/workloads/` and one YAML file under `scenarios/data/workloads/` of the
same name.  The module's `build(world, parameters)` makes the workloads and yields what to run; the YAML holds
parameters, activities and calibration, each number with its source.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import accumulate
from typing import Any, Protocol, TypeVar

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import ActivitySpec
from scopedrift.scenarios.fields import Model
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.randomness import Quantiles
from scopedrift.simulator.runtime.platform import Start
from scopedrift.simulator.world.organisation import World

AnyModel = TypeVar("AnyModel", bound=Model)


class FamilyModule(Protocol):
    """What a module under `simulator/workloads/` offers."""

    def build(self, world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
        """Make the family's workloads; yield the processes that drive them."""
        ...


class Family:
    """The data of one family, ready to use."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._data = catalogue.families()[name]
        self._distributions: dict[str, Quantiles] = {}
        self._activities = {
            activity: world.activities.add(f"{name}/{activity}", spec)
            for activity, spec in self._data.activities.items()
        }

    def activity(self, name: str) -> Activity:
        """One of its activities."""
        return self._activities[name]

    def activities(self) -> list[Activity]:
        """All of its activities."""
        return list(self._activities.values())

    def start_up(self, credential_kind: str | Mapping[str, float], name: str = "start_up") -> Activity:
        """Its start-up flow for a kind of credential: `credential` in the list stands for how one is obtained.

        For kinds with their shares: all that the flow of any kind does, to be declared.
        """
        key = f"{self.name}/{name}@"
        kind = credential_kind if isinstance(credential_kind, str) else "any"
        if key + kind not in self._world.activities:
            flows = {each: spec.flow for each, spec in self._world.platform.credentials.items()}
            flows["any"] = tuple(dict.fromkeys(step for flow in flows.values() for step in flow))
            for each, flow in flows.items():
                own = self._data.flows[name]
                steps = tuple(s for item in own for s in (flow if item == catalogue.CREDENTIAL_STEP else [item]))
                self._world.activities.add(key + each, ActivitySpec(sequence=steps))
        return self._world.activities[key + kind]

    def kinds(self, model: type[AnyModel]) -> dict[str, AnyModel]:
        """Its kinds of task, or of member, each as a model of the family's module."""
        return self._data.kinds_as(model)

    def value(self, name: str) -> float:
        """A calibrated number."""
        value = self._data.calibration[name].value
        assert value is not None, f"{self.name}: the calibration {name} is not a single value"
        return value

    def choice(self, name: str, u: float) -> float:
        """One of the values of a calibrated discrete distribution, at probability `u`."""
        spec = self._data.calibration[name]
        edges = list(accumulate(spec.shares))
        return spec.values[min(bisect_right(edges, u * edges[-1]), len(edges) - 1)]

    def seconds(self, name: str, u: float) -> int:
        """A calibrated duration (the data are in seconds) at probability `u`, in microseconds."""
        return max(round(self.distribution(name)(u) * 1000), 1) * (SECOND // 1000)

    def distribution(self, name: str) -> Quantiles:
        """A calibrated distribution; a number is one of a single value."""
        if name not in self._distributions:
            self._distributions[name] = Quantiles.of(self._data.calibration[name])
        return self._distributions[name]


def module_of(name: str) -> FamilyModule:
    """The module that drives a family."""
    module: FamilyModule = import_module(f"scopedrift.simulator.workloads.{name}")
    return module
