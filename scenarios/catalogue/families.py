"""Workload families: parameters, activities, flows and calibration of what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, JsonValue, PlainSerializer, PlainValidator, ValidationInfo

from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, Words, check
from scopedrift.scenarios.catalogue.parameters import Configurable
from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Count, Model, Share, Text

CREDENTIAL_STEP = "credential"
"""In a flow, this stands for obtaining a credential of the identity's kind."""


def _known_step(step: str, info: ValidationInfo) -> str:
    if step != CREDENTIAL_STEP:
        check(step, "operation", info)
    return step


AnyModel = TypeVar("AnyModel", bound=Model)


class Constant(Model):
    """A calibrated number."""

    value: float
    source: Words


class Discrete(Model):
    """A calibrated distribution over a few values."""

    values: tuple[float, ...]
    shares: tuple[Share, ...]
    source: Words


Calibrated = Constant | Discrete | Distribution


AnyCalibrated = TypeVar("AnyCalibrated", Constant, Discrete, Distribution)


def _calibrated(value: object) -> Calibrated:
    keys = value if isinstance(value, dict) else {}
    if not keys.get("source"):
        raise ValueError("expected a mapping with a source, or `source: assumed`")
    model = Constant if "value" in keys else Discrete if "values" in keys else Distribution
    return model.model_validate(value)


def _written(value: Calibrated) -> dict[str, object]:
    return value.model_dump(mode="json", exclude_unset=True)


Calibration = Annotated[Calibrated, PlainValidator(_calibrated), PlainSerializer(_written)]


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


class WorkloadFamily(Configurable):
    """A family of workloads; a module of the same name under `simulator/workloads/` drives it."""

    size: Growth | None = None
    activities: dict[Text, ActivitySpec] = Field(default={})
    flows: dict[Text, Annotated[tuple[Annotated[Text, AfterValidator(_known_step)], ...], Field(min_length=1)]] = Field(
        default={}
    )
    """Sequences that obtain a credential on the way, such as `start_up`."""
    calibration: dict[Text, Annotated[Calibrated, PlainValidator(_calibrated), PlainSerializer(_written)]] = Field(
        default={}
    )
    kinds: dict[Text, JsonValue] = Field(default={})
    """Kinds of task, or of member; what there is to say of one is the family's own (see `kinds_as`)."""

    def calibrated(self, name: str, form: type[AnyCalibrated]) -> AnyCalibrated:
        """The calibration of a name; raises `ScenarioError` unless it has this form."""
        found = self.calibration.get(name)
        if not isinstance(found, form):
            expected = f"expected a calibration of the form {form.__name__}"
            raise ScenarioError(self._document.problem(expected, ("calibration", name)))
        return found

    def kinds_as(self, model: type[AnyModel]) -> dict[str, AnyModel]:
        """The family's kinds, each as its module's own model; raises `ScenarioError` for what does not fit it."""
        return {name: validated(model, spec, self._document, ("kinds", name)) for name, spec in self.kinds.items()}
