"""Workload families: parameters, activities, flows and calibration of what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, JsonValue

from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, named
from scopedrift.scenarios.catalogue.parameters import Configurable
from scopedrift.scenarios.catalogue.platform import Fraction
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Count, Model, Text

CREDENTIAL_STEP: Final = "credential"
"""In a flow, this stands for obtaining a credential of the identity's kind."""


AnyModel = TypeVar("AnyModel", bound=Model)


def _with_source(value: Distribution) -> Distribution:
    if not value.source:
        raise ValueError("expected a source, or `source: assumed`")
    return value


FlowStep = Annotated[Text, named("operation", lambda step: () if step == CREDENTIAL_STEP else (step,))]


class Growth(Model):
    """What scales with the scenario's number of identities."""

    parameter: Text
    """The parameter that is the family's size."""
    identities: Count | dict[Text, Count] = 1
    """Identities of one unit; or, for each switch among the parameters, how many when it is on (else 1)."""
    along: tuple[Text, ...] = ()
    """Other parameters that grow with it."""

    def each(self, parameters: Mapping[str, object]) -> int:
        """Identities of one unit under these parameters."""
        if isinstance(self.identities, int):
            return self.identities
        return max((number for switch, number in self.identities.items() if parameters[switch]), default=1)


class TaskTurns(Model):
    """Shares of a family's tasks that go on otherwise at some point."""

    moved: Fraction = 0.0
    """On another node, sometimes from another image."""
    reissued: Fraction = 0.0
    """With a new credential, since the old one was refused."""
    assumed: Fraction = 0.0
    """Under a role, for a part of the work."""
    handed_over: Fraction = 0.0
    """On behalf of somebody else."""
    resumed: Fraction = 0.0
    """After hours of silence."""

    def shares(self) -> dict[str, float]:
        """Those that occur."""
        return {name: share for name, share in self if share}


class WorkloadFamily(Configurable):
    """A family of workloads; a module of the same name under `simulator/workloads/` drives it."""

    size: Growth | None = None
    activities: dict[Text, ActivitySpec] = Field(default={})
    flows: dict[Text, Annotated[tuple[FlowStep, ...], Field(min_length=1)]] = Field(default={})
    """Sequences that obtain a credential on the way, such as `start_up`."""
    calibration: dict[Text, Annotated[Distribution, AfterValidator(_with_source)]] = Field(default={})
    turns: TaskTurns = TaskTurns()
    kinds: dict[Text, JsonValue] = Field(default={})
    """Kinds of task, or of member; what there is to say of one is the family's own (see `kinds_as`)."""

    def parameters_as(self, model: type[AnyModel], given: Mapping[str, object]) -> AnyModel:
        """What a scenario sets, as the family's module takes it; raises `ScenarioError` if they do not agree."""
        return validated(model, given, self._document, ("parameters",))

    def kinds_as(self, model: type[AnyModel]) -> dict[str, AnyModel]:
        """The family's kinds, each as its module's own model; raises `ScenarioError` for what does not fit it."""
        return {name: validated(model, spec, self._document, ("kinds", name)) for name, spec in self.kinds.items()}
