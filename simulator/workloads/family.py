"""A workload family's data: its activities compiled, its distributions tabulated.

A family is one module under `simulator/workloads/` and one YAML file under `scenarios/data/workloads/` of the
same name.  The YAML holds parameters, activities and calibration, each number with its source.  The module has
`build(world, parameters)`, which makes the workloads and yields what to run; the annotation of its `parameters` names
the model of what a scenario sets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from importlib import import_module
from itertools import accumulate
from typing import TypeVar, get_type_hints

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import ActivitySpec
from scopedrift.scenarios.documents import Problem, ScenarioError
from scopedrift.scenarios.fields import Model
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.randomness import Quantiles
from scopedrift.simulator.runtime.platform import Start
from scopedrift.simulator.world.organisation import SimulatedWorld

AnyModel = TypeVar("AnyModel", bound=Model)


class Family:
    """The data of one family, ready to use."""

    def __init__(self, world: SimulatedWorld, name: str) -> None:
        self.name = name
        self._world = world
        self._data = catalogue.families()[name]
        self._distributions: dict[str, Quantiles] = {}
        self._start_ups: dict[tuple[str, str], Activity] = {}
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
        kind = credential_kind if isinstance(credential_kind, str) else "any"
        if (name, kind) not in self._start_ups:
            flows = {each: spec.flow for each, spec in self._world.platform.credentials.items()}
            flows["any"] = tuple(dict.fromkeys(step for flow in flows.values() for step in flow))
            for each, flow in flows.items():
                own = self._data.flows[name]
                steps = tuple(s for item in own for s in (flow if item == catalogue.CREDENTIAL_STEP else [item]))
                activity = self._world.activities.add(f"{self.name}/{name}@{each}", ActivitySpec(sequence=steps))
                self._start_ups[name, each] = activity
        return self._start_ups[name, kind]

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


def build_family(world: SimulatedWorld, name: str, given: Mapping[str, object]) -> list[Start]:
    """Make the workloads of a family with the parameters that are given; returns the processes that drive them.

    Raises `ScenarioError` if the family's module names no model of its parameters, or one that its file does not fit.
    """
    build = import_module(f"{__package__}.{name}").build
    model = get_type_hints(build).get("parameters")
    if not (isinstance(model, type) and issubclass(model, Model)):
        wanted = "the model of its parameters, as in build(world: SimulatedWorld, parameters: MirrorParameters)"
        raise ScenarioError(Problem(f"the module of the workload family {name}: `build` must name {wanted}"))
    return list(build(world, catalogue.families()[name].parameters_as(model, given)))
