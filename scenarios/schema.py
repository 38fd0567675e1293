"""The scenario: a validated, immutable description of what to simulate.

Workload families take parameters from the catalogue, which are checked and completed when the scenario is
made.  Units: durations are integer microseconds (written `14d`, `90m`), rates are per day (written `1/day`),
shares and probabilities are 0 to 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Strict,
    field_serializer,
    model_validator,
)

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.documents import Plain, Problem, ScenarioError, at, shown, suggestion, write
from scopedrift.scenarios.durations import DURATION_PATTERN, RATE_PATTERN, format_duration, format_rate
from scopedrift.scenarios.fields import Factor, Length, Model, Share, Size, Slug, Start, Text, fail
from scopedrift.scenarios.parts import (
    Adaptive,
    ChangeSpec,
    EvaluationSpec,
    Identities,
    IncidentSpec,
    Organisation,
    PlatformSpec,
    StreamSpec,
    WindowsSpec,
)

STREAM_DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "cloud_audit": {"delay": "5m"},  # CloudTrail: about five minutes on average
    "kubernetes_audit": {"delay": "2s", "level": "Request"},  # within seconds (assumed: two)
    "runtime": {"delay": "1s"},  # assumed
    "issuance": {"delay": "5s"},  # assumed
    "agent": {"delay": "1s"},  # assumed
}
"""What each stream of telemetry is like unless the scenario says otherwise."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONLY: Final = {"level": "kubernetes_audit", "data_events": "cloud_audit"}
OFF: Final = ("off", False)


def _resolve_workloads(value: object) -> object:
    if not isinstance(value, dict):
        return value
    known, problems, result = catalogue.families(), [], {}
    for family, given in value.items():
        if family not in known:
            problems.append(Problem(f"unknown workload family{suggestion(family, known)}", (family,)))
        elif isinstance(given, dict):
            try:
                result[family] = known[family].resolve(given)
            except ScenarioError as error:
                problems += at(error.problems, (family,))
        elif given not in OFF:
            message = f"expected a mapping of parameters, {{}} for the defaults, or off, not {shown(given)}"
            problems.append(Problem(message, (family,)))
    if problems:
        fail(problems)
    return result


def _complete_telemetry(value: object) -> object:
    if not isinstance(value, dict):
        return value
    problems = [
        Problem(f"unknown stream{suggestion(stream, STREAM_DEFAULTS)}", (stream,))
        for stream in value
        if stream not in STREAM_DEFAULTS
    ]
    for key, only in _ONLY.items():
        problems += [
            Problem(f"only {only} has this key", (stream, key))
            for stream, given in value.items()
            if stream != only and isinstance(given, dict) and key in given
        ]
    if problems:
        fail(problems)
    streams = {}
    for stream, defaults in STREAM_DEFAULTS.items():
        given = value.get(stream, {})
        streams[stream] = {**defaults, **given} if isinstance(given, dict) else given
    return streams


def _describe_workloads(schema: Plain) -> None:
    schema["properties"] = {
        name: {
            "description": entry.description,
            "anyOf": [
                {
                    "type": "object",
                    "properties": {each: p.json_schema() for each, p in entry.parameters.items()},
                    "additionalProperties": False,
                },
                {"enum": list(OFF)},
            ],
        }
        for name, entry in catalogue.families().items()
    }
    schema["additionalProperties"] = False


def _describe_file(schema: Plain) -> None:
    """What holds for a scenario file: it may extend another, which then gives what it leaves out."""
    _write_defaults(schema)
    required = schema.pop("required")
    schema["properties"]["extends"] = {"type": "string", "description": "Scenario, or path of a file, to start from."}
    schema["anyOf"] = [{"required": required}, {"required": ["name", "extends"]}]
    kinds: dict[str, dict[str, Collection[str]]] = {
        "ChangeSpec": {"kind": catalogue.changes()},
        "IncidentSpec": {"attack": catalogue.chains(), "drift": catalogue.drifts()},
    }
    for model, keys in kinds.items():
        for key, entries in keys.items():
            if entries:
                schema["$defs"][model]["properties"][key]["examples"] = sorted(entries)


def _write_defaults(schema: object) -> None:
    """Give the defaults of durations and rates as they are written, not as they are kept."""
    if isinstance(schema, list):
        for item in schema:
            _write_defaults(item)
    elif isinstance(schema, dict):
        formats = {DURATION_PATTERN: format_duration, RATE_PATTERN: format_rate}
        if schema.get("pattern") in formats and isinstance(schema.get("default"), int | float):
            schema["default"] = formats[schema["pattern"]](schema["default"])
        for item in schema.values():
            _write_defaults(item)


class Scenario(Model):
    """What to simulate; see the fields. Made by `load`, `load_text` or `override`.

    Examples:
        >>> import scopedrift as sd
        >>> quickstart = sd.load_scenario("quickstart")
        >>> quickstart.name, quickstart.evaluation.alert_budget  # alerts a day
        ('quickstart', 1.0)
    """

    model_config = ConfigDict(title="scopedrift scenario")
    FILE_KEYS: ClassVar[Mapping[str, str]] = {"extends": "the scenario to start from"}
    """Keys that only a file has."""

    name: Slug = Field(description="Lower-case words joined by hyphens.")
    version: Size = Field(default=1, description="Raised whenever results under this name would change.")
    description: Text = Field(default="", description="What this scenario is for.")
    start: Start = Field(
        default=datetime(2026, 1, 5, tzinfo=UTC), description="When the horizon starts (UTC); a Monday."
    )
    horizon: Length = Field(description="How long to simulate, windows included.")
    windows: WindowsSpec = Field(description="Baseline and calibration windows; the rest is the test window.")
    organisation: Organisation = Field(default=Organisation(), description="The organisation that runs the platform.")
    identities: Identities = Field(default=Identities(), description="Workload identities.")
    platform: PlatformSpec = Field(default=PlatformSpec(), description="The shared platform.")
    novelty: Factor = Field(default=1.0, description="Multiplies how often benign workloads do something new.")
    turns: Factor = Field(
        default=1.0, description="Multiplies how often benign tasks go on elsewhere, as somebody else, or after hours."
    )
    errors: Factor = Field(default=1.0, description="Multiplies how often benign workloads fail or are denied.")
    load: Annotated[float, Strict(), Field(gt=0, le=1000, allow_inf_nan=False)] = Field(
        default=1.0, description="Multiplies how much there is to do."
    )
    strength: Share | None = Field(
        default=None, description="Strength of every incident, whatever the incident says of its own."
    )
    adaptive: Adaptive | None = Field(
        default=None, description="Lets the strongest incidents adapt to a detector; experiments only."
    )
    workloads: Annotated[dict[str, catalogue.Values], BeforeValidator(_resolve_workloads)] = Field(
        default={},
        description="Workload families that run, and their parameters.",
        json_schema_extra=_describe_workloads,
    )
    changes: tuple[ChangeSpec, ...] = Field(default=(), description="Benign changes.")
    incidents: tuple[IncidentSpec, ...] = Field(default=(), description="Scope drift and attacks.")
    telemetry: Annotated[dict[str, StreamSpec], BeforeValidator(_complete_telemetry)] = Field(
        default={}, validate_default=True, description="Streams of telemetry, and how they fail."
    )
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="How alerts are counted.")

    _given: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _remember_given(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        scenario = handler(data)
        if isinstance(data, dict):
            given = data.get("workloads", {})
            scenario._given = {family: frozenset(given[family]) for family in scenario.workloads}
        return scenario

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if self.horizon <= self.windows.baseline + self.windows.calibration:
            least = format_duration(self.windows.baseline + self.windows.calibration)
            message = f"expected more than {least} (baseline and calibration), which leaves a test window"
            problems.append(Problem(message, ("horizon",)))
        specs: list[tuple[str, int, ChangeSpec | IncidentSpec]] = [
            *(("changes", i, change) for i, change in enumerate(self.changes)),
            *(("incidents", i, incident) for i, incident in enumerate(self.incidents)),
        ]
        for group, i, spec in specs:
            if spec.at is not None and spec.at >= self.horizon:
                message = f"expected a time within the horizon of {format_duration(self.horizon)}"
                problems.append(Problem(message, (group, i, "at")))
        for i, incident in enumerate(self.incidents):
            family = (incident.victim or {}).get("family")
            if family is not None and family not in self.workloads:
                message = f"no workload family {shown(family)} runs here{suggestion(family, self.workloads)}"
                problems.append(Problem(message, ("incidents", i, "victim", "family")))
        if problems:
            fail(problems)
        return self

    @property
    def start_us(self) -> int:
        """Start of the horizon and of the baseline window, in microseconds since 1970 UTC."""
        return (self.start - _EPOCH) // timedelta(microseconds=1)

    @property
    def baseline_end_us(self) -> int:
        """End of the baseline and start of the calibration window."""
        return self.start_us + self.windows.baseline

    @property
    def calibration_end_us(self) -> int:
        """End of the calibration and start of the test window."""
        return self.baseline_end_us + self.windows.calibration

    @property
    def end_us(self) -> int:
        """End of the horizon and of the test window."""
        return self.start_us + self.horizon

    def is_given(self, family: str, parameter: str) -> bool:
        """Whether the scenario itself sets a family's parameter, rather than leaving the default."""
        return parameter in self._given.get(family, ())

    def plain(self) -> Plain:
        """The scenario as plain data, as a file without `extends` holds it.

        Families list the parameters that the scenario sets; everything else is complete.
        """
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """YAML text that loads to an equal scenario."""
        return write(self.plain())

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON, catalogue defaults included."""
        families = catalogue.families()
        resolved = {name: families[name].written(each) for name, each in self.workloads.items()}
        content = {"scenario": self.plain(), "workloads": resolved}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @field_serializer("workloads", when_used="json")
    def _workloads_text(self, value: dict[str, catalogue.Values]) -> Plain:
        families = catalogue.families()
        return {
            name: {key: text for key, text in families[name].written(resolved).items() if self.is_given(name, key)}
            for name, resolved in value.items()
        }

    @field_serializer("telemetry", when_used="json")
    def _telemetry_text(self, value: dict[str, StreamSpec]) -> Plain:
        return {
            stream: spec.model_dump(mode="json", exclude={key for key, only in _ONLY.items() if only != stream})
            for stream, spec in value.items()
        }

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """JSON Schema of a scenario file, for editors."""
        schema = super().model_json_schema(*args, **kwargs)
        _describe_file(schema)
        return schema
