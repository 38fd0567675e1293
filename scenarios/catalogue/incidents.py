"""What incidents are made of: techniques (one behaviour each), and the chains and drifts that put them in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, model_validator

from scopedrift.scenarios.catalogue.entry import (
    ActivitySpec,
    Entry,
    FamilyName,
    OperationName,
    Pace,
    Paced,
    Words,
    named,
)
from scopedrift.scenarios.catalogue.parameters import Configurable
from scopedrift.scenarios.catalogue.selectors import Targets
from scopedrift.scenarios.documents import shown, suggestion
from scopedrift.scenarios.fields import Count, Flag, Model, Share, Size, Text

Events = tuple[Size, Size]
"""From so many events to so many, at strength 0."""


class Signal(Entry):
    """A signal of the guidance, and what of the testbed stands for it beside the techniques that name it."""

    knobs: tuple[Text, ...] = ()
    """Keys of a scenario."""
    families: tuple[FamilyName, ...] = ()
    knowledge: tuple[Text, ...] = ()
    """What a detector may know beside the log."""


class Taxonomy(Model):
    """The ids of a technique in each standard (see `scenarios/coverage.py` for their versions)."""

    attack: tuple[Text, ...]
    atlas: tuple[Text, ...]
    nhi: tuple[Text, ...]
    asi: tuple[Text, ...]
    maestro: tuple[Text, ...]
    nist: tuple[Text, ...]


class Technique(Entry):
    """One behaviour: what it logs, what it needs to succeed, and what it yields."""

    signals: tuple[Annotated[Text, named("signal")], ...]
    activity: ActivitySpec
    needs: tuple[OperationName, ...]
    """Operations without which it fails; what else it lists is tried, and done where it is allowed."""
    targets: Targets = Field(default={})
    count: Events
    pace: Paced = Pace.parse("seconds")
    """How long it takes at strength 0."""
    yields: Literal["token", "admin", "credential", "identity"] | None = None
    """A downstream token, its project, a credential that does not end, or another identity."""
    image: Literal["foreign"] | None = None
    """`foreign`: it runs an image of a registry that the workload never used."""
    gpus: Count = 0
    refused: Flag = False
    """Whether it only repeats what is refused; what would be allowed, it does not do."""
    look_alikes: tuple[Annotated[Text, named("look-alike")], ...]
    """Benign changes, or families, that do the same things."""
    taxonomy: Taxonomy

    @model_validator(mode="after")
    def _needs_what_it_does(self) -> Self:
        if missing := sorted(set(self.needs) - set(self.activity.operations)):
            raise ValueError(f"needs {', '.join(missing)}, which its activity does not list")
        return self


def _technique(value: object, info: ValidationInfo) -> Technique:
    assert info.context is not None, "stages are read with the techniques that there are"
    known: Mapping[str, Technique] = info.context("technique")
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"unknown technique {shown(value)}{suggestion(value, known)}")
    return known[value]


class Stage(Model):
    """One stage of a chain or drift: a technique, and what is particular about it here."""

    name: Words
    technique: Annotated[Technique, PlainValidator(_technique), PlainSerializer(lambda each: each.name)]
    wait: Paced = Pace.parse("minutes")
    """How long the adversary waits before it."""
    lasts: Paced | None = None
    """How long it takes; by default as long as its technique does."""
    count: Events | None = None
    """How many events; by default as many as its technique says."""
    targets: Targets = Field(default={})
    """Targets beside those of its technique, or instead of them."""
    skip: Share = 0.0
    """The chance that it does not take place."""
    retries: Count = 0
    """How often it is tried again after a refusal."""
    on_denied: Literal["abort", "continue"] = "abort"
    impact: Flag = False
    """Whether it reaches the objective; a refusal then ends the incident."""
    share: Share = 1.0
    """How likely it is, where there is a choice of stages."""

    @property
    def pace(self) -> Pace:
        """How long it takes at strength 0."""
        return self.lasts or self.technique.pace

    @property
    def events(self) -> Events:
        """From so many events to so many, at strength 0."""
        return self.count or self.technique.count

    @property
    def aims(self) -> Targets:
        """What it goes for."""
        return {**self.technique.targets, **self.targets}

    @property
    def vital(self) -> bool:
        """Whether a refusal ends the incident."""
        return self.impact or self.on_denied == "abort"


class _Choice(Model):
    one_of: Annotated[tuple[Stage, ...], Field(min_length=1)]


def _alternatives(value: object, info: ValidationInfo) -> tuple[Stage, ...]:
    if isinstance(value, dict) and "one_of" in value:
        return _Choice.model_validate(value, context=info.context).one_of
    return (Stage.model_validate(value, context=info.context),)


def _written(value: tuple[Stage, ...]) -> dict[str, object]:
    stages = [stage.model_dump(mode="json", exclude_unset=True) for stage in value]
    return stages[0] if len(stages) == 1 else {"one_of": stages}


Alternatives = Annotated[tuple[Stage, ...], PlainValidator(_alternatives), PlainSerializer(_written)]
"""The stages that one position has to choose from by their shares; a single one in most cases."""


class Victims(Model):
    """Which workloads an incident begins from; where a world has none of them, it does not happen."""

    families: tuple[FamilyName, ...]
    kinds: tuple[Text, ...] = ()
    """Kinds of task that it may begin in; any, if none is listed."""

    def of(self, kinds: Iterable[str]) -> list[str]:
        """Those of some kinds of task that it may begin in."""
        return [kind for kind in kinds if not self.kinds or kind in self.kinds]


class Enough(Model):
    """How much of an incident has to happen before anybody can be expected to catch it."""

    stages: Size
    """Stages that leave events."""
    events: Size


class Template(Configurable):
    """What a chain and a drift have in common: stages in order, victims, and how the incident begins."""

    objective: Text
    foothold: Literal["workload", "task", "credential", "copy"] = "workload"
    """Inside a workload, in its running tasks only, with a stolen credential, or as another one under its identity."""
    renewable: Flag = False
    """Whether what was stolen obtains new credentials (a refresh token)."""
    victims: Victims
    enough: Enough = Enough(stages=1, events=5)
    """With less, it is reported apart (by default: four events tell nobody anything; assumed)."""
    stages: Annotated[tuple[Alternatives, ...], Field(min_length=1)]
    """In order."""

    @model_validator(mode="after")
    def _one_impact(self) -> Self:
        if sum(stage.impact for stage in self.every_stage()) != 1:
            raise ValueError("expected exactly one stage with `impact: true`")
        return self

    def every_stage(self) -> Iterator[Stage]:
        """All stages, those that are alternatives included."""
        for alternatives in self.stages:
            yield from alternatives

    @property
    def techniques(self) -> tuple[str, ...]:
        """The techniques of all stages, in order of first use."""
        return tuple(dict.fromkeys(stage.technique.name for stage in self.every_stage()))


class Chain(Template):
    """An attack chain: ordered stages by an adversary."""

    published: Words
    """What is published of its timing."""


class Drift(Template):
    """Scope drift without an attacker."""
