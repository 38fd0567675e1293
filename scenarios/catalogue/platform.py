"""What all workloads share: credentials, the working week, ordinary outages, novelty, and what a project holds.

`scenarios/data/platform.yaml` says what each number is.  They are written with their source there
(`{value: 24, source: assumed}`), and are plain numbers here.
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
    flow: tuple[OperationName, ...]
    renewal: tuple[OperationName, ...]
    role: OperationName | None
    source: Words

    @property
    def steps(self) -> tuple[str, ...]:
        """Every operation that keeps one alive."""
        return (*self.flow, *self.renewal, *([self.role] if self.role else []))


class _Shares(Model):
    shares: dict[OperationName, Share]
    source: Words


class _CredentialLife(Model):
    role_minutes: Amount
    role: _Shares
    exchange: _Shares
    key_age_days: Distribution
    rotation_days: Number


class _Orphans(Model):
    activity: ActivitySpec
    uses_per_week: Distribution
    calls: Distribution


class Week(Model):
    """Activity by hour of day (UTC) and on weekend days, relative to the mean."""

    hours: Annotated[tuple[NotNegative, ...], Field(min_length=24, max_length=24)]
    weekend: NotNegative
    source: Words


class _Novelty(Model):
    floor: Fraction
    start: Fraction
    scale: Amount
    elsewhere: Fraction
    refused: Fraction


class _Growth(Model):
    per_week: Amount
    parts: Number


class _DetourKind(Model):
    share: Share
    calls: Annotated[tuple[OperationName, ...], Field(min_length=1)]


class _Detours(Model):
    per_week: Amount
    elsewhere: Fraction
    careless: Fraction
    habit: Fraction
    habit_days: Amount
    stale_scopes: Fraction
    stale_tools: Fraction
    never_stale: frozenset[Text]
    kinds: dict[Text, _DetourKind]


class _Chores(Model):
    per_week: Amount
    kinds: dict[Text, Annotated[tuple[OperationName, ...], Field(min_length=1)]]


class _Outages(Model):
    per_week: Amount
    duration: Distribution
    restarted: Fraction


class _Turns(Model):
    canary: Fraction
    newer_image: Fraction
    mirrored: Fraction
    silence_h: Distribution
    events: Distribution


class Surroundings(Model):
    """What a project holds, and where workloads and their images come from."""

    nodes_per_project: Number
    datasets_per_project: Number
    shards_per_dataset: Distribution
    tables_per_project: Number
    projects_per_account: Amount
    secrets_per_project: Number
    public_images: Fraction
    outside: Fraction
    other_protocol: Fraction
    exits: Number
    by_exit: Fraction
    exit_days: Amount
    base_images: tuple[Text, ...]
    public_registries: tuple[Text, ...]


class PlatformData(Entry):
    """All of `platform.yaml`."""

    credentials: dict[Text, CredentialKind]
    credential_life: _CredentialLife
    orphans: _Orphans
    rhythm: dict[Text, Week]
    novelty: _Novelty
    growth: _Growth
    detours: _Detours
    chores: _Chores
    outages: _Outages
    turns: _Turns
    world: Surroundings
