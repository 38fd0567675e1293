"""What all workloads share: credentials, the working week, ordinary outages, novelty, and what a project holds.

Numbers are written with their source (`{value: 24, source: assumed}`); here they are plain numbers.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, Strict

from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, Entry, OperationName, Positive, Words
from scopedrift.scenarios.fields import Duration, Model, Share, Size, Text


def _sourced(value: object) -> object:
    if not isinstance(value, dict) or set(value) != {"value", "source"}:
        raise ValueError("expected a mapping with a value and a source, or `source: assumed`")
    return value["value"]


Fraction = Annotated[Share, BeforeValidator(_sourced)]
Amount = Annotated[Positive, BeforeValidator(_sourced)]
Number = Annotated[Size, BeforeValidator(_sourced)]
NotNegative = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]


class CredentialKind(Model):
    """What a kind of credential is like."""

    ttl: Duration | None
    """Time to live; none: it does not end."""
    flow: tuple[OperationName, ...]
    """How one is obtained at start-up."""
    renewal: tuple[OperationName, ...]
    """What is logged at half-life."""
    role: OperationName | None
    """How its holder assumes its cloud role again and again, where that is a step of its own."""
    source: Words

    @property
    def steps(self) -> tuple[str, ...]:
        """Every operation that keeps one alive."""
        return (*self.flow, *self.renewal, *([self.role] if self.role else []))


class Shares(Model):
    """Which share of workloads takes each of some steps."""

    shares: dict[OperationName, Share]
    source: Words


class CredentialLife(Model):
    """What workloads do to keep their credentials, and how old standing keys are."""

    role_minutes: Amount
    """After so many minutes a role is assumed again."""
    role: Shares
    """Workloads that get their role from their node's metadata service instead."""
    exchange: Shares
    """Workloads that also hold a token of another service."""
    key_age_days: Distribution
    rotation_days: Number


class Orphans(Model):
    """What something forgotten does with the key of an off-boarded identity."""

    activity: ActivitySpec
    uses_per_week: Distribution
    calls: Distribution


class Week(Model):
    """Activity by hour of day (UTC) and on weekend days, relative to the mean."""

    hours: Annotated[tuple[NotNegative, ...], Field(min_length=24, max_length=24)]
    weekend: NotNegative
    source: Words


class Novelty(Model):
    """How often a task also touches something new: floor + start / (1 + tasks so far / scale)."""

    floor: Fraction
    start: Fraction
    scale: Amount
    elsewhere: Fraction
    """Share of these that lie in another project."""
    refused: Fraction
    """Share of those that permissions refuse."""


class DatasetGrowth(Model):
    """How datasets get new parts and lose old ones, in one project."""

    per_week: Amount
    parts: Number
    """At most so many parts each time."""


class DetourKind(Model):
    """One kind of work outside what is declared."""

    share: Share
    calls: Annotated[tuple[OperationName, ...], Field(min_length=1)]


class Detours(Model):
    """Benign work outside what is declared, and how declarations lag behind."""

    per_week: Amount
    """Detours of one workload."""
    elsewhere: Fraction
    """Share that goes for another project's resources."""
    careless: Fraction
    """Share that does not ask whether permissions allow it."""
    habit: Fraction
    """Share that is done again about every day."""
    habit_days: Amount
    """For so long on average."""
    stale_scopes: Fraction
    """Share of identities whose published scope misses a grant that they use."""
    stale_tools: Fraction
    """Share of the operations of a kind of task that its tool list misses."""
    never_stale: frozenset[Text]
    """Services whose grants are never missing."""
    kinds: dict[Text, DetourKind]


class Outages(Model):
    """Ordinary outages."""

    per_week: Amount
    duration: Distribution
    """Seconds."""
    restarted: Fraction
    """Share of the workloads that start again when one ends."""


class Surroundings(Model):
    """What a project holds, and where workloads and their images come from."""

    nodes_per_project: Number
    datasets_per_project: Number
    shards_per_dataset: Distribution
    tables_per_project: Number
    projects_per_account: Amount
    secrets_per_project: Number
    public_images: Fraction
    """Share of workloads whose image comes from a public registry."""
    outside: Fraction
    """Share of workloads that run elsewhere and call from the Internet."""
    base_images: tuple[Text, ...]
    public_registries: tuple[Text, ...]


class PlatformData(Entry):
    """All of `platform.yaml`."""

    credentials: dict[Text, CredentialKind]
    credential_life: CredentialLife
    orphans: Orphans
    rhythm: dict[Text, Week]
    novelty: Novelty
    growth: DatasetGrowth
    detours: Detours
    outages: Outages
    world: Surroundings
