"""Benign changes: whom each concerns, how long it lasts, and the effects that it is made of."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, FamilyName, Positive
from scopedrift.scenarios.catalogue.parameters import Configurable
from scopedrift.scenarios.catalogue.selectors import Targets
from scopedrift.scenarios.durations import parse_duration
from scopedrift.scenarios.fields import Flag, Length, Model, Share, Size


class Reach(Model):
    """Whom a change concerns: workloads of some families (any, if none of these run), in one project or just one."""

    families: tuple[FamilyName, ...] = ()
    """Empty: any."""
    reach: Literal["project", "one"] = "project"
    share: Share = 1.0
    """Share of the workloads that it concerns."""


class Burst(Model):
    """Workloads additionally do an activity, once or repeatedly."""

    activity: ActivitySpec
    count: Distribution
    """Events of one burst."""
    duration: Length
    times: Size = 1
    every: Length = parse_duration("1d")
    by: Literal["all", "one"] = "all"
    """Who does it: every workload that the change concerns, or one of them."""
    targets: Targets = Field(default={})


class Surge(Model):
    """The load of workloads is multiplied for a while."""

    factor: Positive
    lasts: Length


class Effect(Model):
    """What a change does: exactly one of these."""

    migrate_registry: Flag = False
    """Workloads pull and create from another registry from now on."""
    relocate: Flag = False
    """They call from other addresses, those of another project's nodes."""
    restart: Flag = False
    """They start again (credentials, secrets, images)."""
    rebind: Targets = Field(default={})
    """They use other resources from now on."""
    burst: Burst | None = None
    surge: Surge | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"expected exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """Which it is."""
        return next(iter(self.model_fields_set))


class Change(Configurable):
    """A kind of benign change: a sanctioned change of behaviour."""

    lasts: Length
    scope: Reach = Reach()
    effects: Annotated[tuple[Effect, ...], Field(min_length=1)]

    @property
    def bursts(self) -> tuple[Burst, ...]:
        """The work that it adds."""
        return tuple(effect.burst for effect in self.effects if effect.burst is not None)
