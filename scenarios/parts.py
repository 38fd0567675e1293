"""The parts of a scenario, each frozen and knowing no other keys than its fields.

Changes and incidents take parameters from the catalogue, which are checked and completed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.documents import Problem, ScenarioError, shown, suggestion
from scopedrift.scenarios.durations import parse_duration
from scopedrift.scenarios.fields import (
    DOMAIN,
    Count,
    Duration,
    Flag,
    Length,
    Lifetime,
    Model,
    Rate,
    Share,
    Size,
    Text,
    fail,
    matching,
)

CREDENTIALS: Final = ("x509-svid", "jwt-svid", "oauth", "static-key")
"""Kinds of credential; what each is like stands in the catalogue (`platform.yaml`)."""


class WindowsSpec(Model):
    """The windows before the test window, which is the rest of the horizon."""

    baseline: Length = Field(description="What detectors learn from.")
    calibration: Length = Field(description="What fixes the threshold for the alert budget; follows the baseline.")


class Organisation(Model):
    """The organisation that runs the platform."""

    domain: Annotated[Text, matching(DOMAIN, "a trust domain, e.g. example.org")] | None = Field(
        default=None, description="SPIFFE trust domain; a seeded name by default."
    )
    projects: Size = Field(default=6, description="Projects (accounts, subscriptions).")
    tenants: Size | None = Field(
        default=None, description="Tenants of each shared platform; by default what its family says."
    )


def _kind(value: object) -> str | dict[str, float]:
    """One kind of credential, or the share of identities that hold each kind."""
    if isinstance(value, str):
        if value not in CREDENTIALS:
            raise ValueError(f"unknown choice {shown(value)}{suggestion(value, CREDENTIALS)}")
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected a kind of credential, or a share for each kind, not {shown(value)}")
    problems = []
    for kind, share in value.items():
        if kind not in CREDENTIALS:
            problems.append(Problem(f"unknown kind of credential{suggestion(kind, CREDENTIALS)}", (kind,)))
        elif isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            problems.append(Problem(f"expected a share from 0 to 1, not {shown(share)}", (kind,)))
    if problems:
        fail(problems)
    total = sum(value.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"expected shares that add up to 1, not to {total:g}")
    return {kind: float(share) for kind, share in value.items()}


_KIND_SCHEMA: Final = {
    "anyOf": [
        {"enum": list(CREDENTIALS)},
        {
            "type": "object",
            "properties": {kind: {"type": "number", "minimum": 0, "maximum": 1} for kind in CREDENTIALS},
            "additionalProperties": False,
        },
    ]
}


class Credential(Model):
    """What identities prove themselves with."""

    kind: Annotated[str | dict[str, float], PlainValidator(_kind), WithJsonSchema(_KIND_SCHEMA)] = Field(
        default="x509-svid", description="Its kind, or the share of identities that hold each kind."
    )
    ttl: Lifetime | None = Field(
        default=None, description="Time to live, but of static keys; by default what is published for the kind."
    )

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of identities that hold each kind."""
        return {self.kind: 1.0} if isinstance(self.kind, str) else self.kind


class Downstream(Model):
    """The tokens that an identity may mint for other services."""

    breadth: Share = Field(
        default=0.5, description="Share of all the organisation's permissions that a minted token carries."
    )
    ttl: Lifetime = Field(default=parse_duration("1h"), description="Time to live of a minted token.")


class Identities(Model):
    """Workload identities, and how tightly they are held."""

    count: Size | None = Field(
        default=None,
        description="About how many, were none shared; scales the family sizes that the scenario does not set, "
        "or all of them where it sets each.",
    )
    sharing: Share = Field(default=0.2, description="Share of workloads that use an identity together with others.")
    excess_privilege: Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        default=0.9, description="Share of the entitlement that the declared scope does not need."
    )
    orphaned: Share = Field(
        default=0.01, description="Off-boarded identities whose keys still work, relative to those in use."
    )
    credential: Credential = Field(default=Credential(), description="What they authenticate with.")
    downstream: Downstream = Field(default=Downstream(), description="The tokens that they can mint.")


class PlatformSpec(Model):
    """The shared platform that workloads run on."""

    gpus: Size = Field(default=64, description="GPUs in the shared pool.")
    contention: Flag = Field(
        default=True, description="Whether workloads wait for each other; off isolates them exactly."
    )
    policy: Literal["off", "log", "enforce"] = Field(
        default="off", description="Run-time policy decision point: absent, logging what it would deny, or denying."
    )


class ChangeSpec(Model):
    """Benign changes of one kind."""

    kind: Text = Field(description="Kind of change, from the catalogue.")
    per_month: Annotated[float, Strict(), Field(ge=0, le=10_000, allow_inf_nan=False)] | None = Field(
        default=None, description="How many in 30 days, at random times; instead of count."
    )
    count: Count | None = Field(default=None, description="How many over the horizon; 1 when neither is given.")
    announced: Share = Field(default=0.7, description="Share of them that stand in the change calendar.")
    at: Duration | None = Field(
        default=None, description="When, from the start of the horizon; a random time by default."
    )
    parameters: catalogue.Values = Field(
        default={}, alias="with", validate_default=True, description="Parameters of the kind."
    )

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        return _one_of(value, "kind of change", catalogue.changes())

    @field_validator("parameters", mode="before")
    @classmethod
    def _resolved(cls, value: object, info: ValidationInfo) -> object:
        return _resolve(catalogue.changes().get(info.data.get("kind", "")), value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.per_month is not None and self.count is not None:
            fail([Problem("expected per_month or count, not both", ("count",))])
        if self.at is not None and (self.per_month is not None or self.instances != 1):
            fail([Problem("only a single change can have a fixed time (count: 1)", ("at",))])
        return self

    @property
    def instances(self) -> int | None:
        """How many, or `None` where `per_month` says it."""
        return 1 if self.count is None and self.per_month is None else self.count

    @property
    def entry(self) -> catalogue.Change:
        """Its entry in the catalogue."""
        return catalogue.changes()[self.kind]

    @field_serializer("parameters", when_used="json")
    def _parameters_text(self, value: catalogue.Values) -> dict[str, object]:
        return self.entry.written(value)


class IncidentSpec(Model):
    """Incidents of one template: an attack chain or a drift."""

    attack: Text | None = Field(default=None, description="Attack chain, from the catalogue; or drift.")
    drift: Text | None = Field(default=None, description="Kind of scope drift, from the catalogue; or attack.")
    count: Count | None = Field(default=None, description="How many in the test window; 1 when nothing else is given.")
    per_month: Annotated[float, Strict(), Field(ge=0, le=10_000, allow_inf_nan=False)] | None = Field(
        default=None, description="How many in 30 days of test window, at random; instead of count."
    )
    strength: Share = Field(default=0.3, description="From smash and grab (0) to stealth (1).")
    at: Duration | None = Field(
        default=None, description="When, from the start of the horizon; a random time by default."
    )
    victim: dict[str, str] | None = Field(default=None, description="Which identities may be hit: {family: NAME}.")
    parameters: catalogue.Values = Field(
        default={}, alias="with", validate_default=True, description="Parameters of it."
    )

    @field_validator("attack")
    @classmethod
    def _known_attack(cls, value: str | None) -> str | None:
        return value if value is None else _one_of(value, "attack", catalogue.chains())

    @field_validator("drift")
    @classmethod
    def _known_drift(cls, value: str | None) -> str | None:
        return value if value is None else _one_of(value, "drift", catalogue.drifts())

    @field_validator("victim")
    @classmethod
    def _known_victim(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        unknown = [key for key in value or {} if key != "family"]
        if unknown:
            fail([Problem(f"unknown key{suggestion(key, ['family'])}", (key,)) for key in unknown])
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _resolved(cls, value: object, info: ValidationInfo) -> object:
        attack, drift = info.data.get("attack"), info.data.get("drift")
        return _resolve(catalogue.chains().get(attack) if attack else catalogue.drifts().get(drift or ""), value)

    @model_validator(mode="after")
    def _one_template(self) -> Self:
        if (self.attack is None) == (self.drift is None):
            raise ValueError("expected exactly one of attack and drift")
        if self.per_month is not None and self.count is not None:
            fail([Problem("expected per_month or count, not both", ("count",))])
        return self

    @property
    def instances(self) -> int | None:
        """How many, or `None` where `per_month` says it."""
        return 1 if self.count is None and self.per_month is None else self.count

    @property
    def template(self) -> str:
        """The name of the attack chain or drift."""
        return self.attack or self.drift or ""

    @property
    def entry(self) -> catalogue.Template:
        """Its entry in the catalogue."""
        return (catalogue.chains() if self.attack else catalogue.drifts())[self.template]

    @field_serializer("parameters", when_used="json")
    def _parameters_text(self, value: catalogue.Values) -> dict[str, object]:
        return self.entry.written(value)


class Adaptive(Model):
    """An adversary who may try variants of an incident on a copy of a detector, and keeps the least suspicious."""

    detector: Text = Field(description="The detector that it has a copy of, as on the command line.")
    queries: Annotated[int, Strict(), Field(ge=1, le=64)] = Field(
        default=6, description="Variants of each incident that it may try."
    )
    above: Share = Field(default=0.9, description="Strength from which incidents adapt.")


class StreamSpec(Model):
    """One stream of telemetry, and how it fails."""

    enabled: Flag = Field(default=True, description="Whether detectors see this stream.")
    delay: Duration = Field(default=0, description="Median time from an event to its arrival.")
    loss: Share = Field(default=0.0, description="Share of records that never arrive.")
    duplication: Share = Field(default=0.0, description="Share of records that arrive twice.")
    skew: Duration = Field(default=0, description="Size of the clock error of sources.")
    level: Literal["Metadata", "Request", "RequestResponse"] | None = Field(
        default=None, description="Audit level; images show from Request on (kubernetes_audit only)."
    )
    data_events: Flag = Field(default=True, description="Whether data access is logged (cloud_audit only).")
    task_context: Share = Field(default=1.0, description="Share of tasks whose id is recorded.")


class EvaluationSpec(Model):
    """How alerts are counted."""

    alert_budget: Rate = Field(default=1.0, ge=0, description="False alarms that are accepted, over the whole fleet.")
    cooldown: Duration = Field(default=parse_duration("1h"), description="An alert covers its identity for this long.")


def _one_of(value: str, what: str, known: Collection[str]) -> str:
    if value not in known:
        raise ValueError(f"unknown {what} {shown(value)}{suggestion(value, known)}")
    return value


def _resolve(entry: catalogue.Configurable | None, given: object) -> object:
    """The parameters of `entry`, completed; unchanged where something else is wrong already."""
    if entry is None or not isinstance(given, dict):
        return given
    try:
        return entry.resolve(given)
    except ScenarioError as error:
        fail(error.problems)
