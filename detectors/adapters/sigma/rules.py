"""One Sigma rule, compiled from what pySigma read.

A rule applies to one kind of record (its log source); `matches` judges one record of JSON values.  `blind_to` names the
missing fields that keep a rule from ever firing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.adapters.sigma.conditions import Condition, FieldTest, any_of, compiled
from scopedrift.simulator.records.json_paths import Record

if TYPE_CHECKING:
    from sigma.rule import SigmaRule, SigmaRuleBase

FORMATS: Final[Mapping[tuple[str | None, str | None], str]] = {
    ("aws", "cloudtrail"): "cloudtrail",
    ("aws", None): "cloudtrail",
    ("kubernetes", "audit"): "kubernetes",
    ("kubernetes", "application"): "kubernetes",
    ("kubernetes", None): "kubernetes",
    ("gcp", "gcp.audit"): "gcp",
    ("gcp", None): "gcp",
    ("ocsf", None): "ocsf",
    ("azure", "activitylogs"): "azure",
    ("azure", "signinlogs"): "entra",
    ("azure", "auditlogs"): "entra",
    ("github", "audit"): "github",
    ("okta", "okta"): "okta",
}
"""The kind of record of a log source (product and service); a pipeline can map rules to OCSF, the product `ocsf`."""
LEVELS: Final = {"informational": 0.1, "low": 0.25, "medium": 0.5, "high": 0.75, "critical": 1.0}
"""Score of a rule by its level (assumed)."""


@dataclass(frozen=True, eq=False)
class CompiledRule:
    """One rule, ready to judge records."""

    title: str
    file: Path
    level: str
    format: str | None
    """The kind of record (format) that it applies to; `None` if its log source is not supported."""
    source: str
    """Its log source, in its own words."""
    condition: Condition
    id: str = ""

    @property
    def score(self) -> float:
        """Its level as a score, 0 to 1."""
        return LEVELS[self.level]

    def matches(self, record: Record) -> bool:
        """Whether it matches a record of its kind."""
        return self.condition.matches(record)

    def blind_to(self, carried: Collection[str]) -> list[str]:
        """The missing fields that keep it from ever firing on records with the fields `carried`; empty if it can."""

        def known(test: FieldTest) -> bool | None:
            return None if all(name in carried for name in test.fields) else test.absent

        if self.condition.possible(known)[0]:
            return []
        return sorted(self.condition.fields - set(carried))


def level_of(rule: SigmaRuleBase) -> str:
    """The level of a rule: medium unless it has one."""
    return rule.level.name.lower() if rule.level else "medium"


def compiled_rule(rule: SigmaRule, file: Path) -> CompiledRule:
    """A rule that pySigma read from a file.

    Raises `ValueError` if it has unsupported values.
    """
    source = rule.logsource
    kind = FORMATS.get((source.product, source.service))
    return CompiledRule(
        title=rule.title,
        file=file,
        level=level_of(rule),
        format=kind,
        source="/".join(part for part in (source.product, source.category, source.service) if part),
        condition=any_of([compiled(each.parsed, kind or "") for each in rule.detection.parsed_condition]),
        id=str(rule.id or ""),
    )
