"""The rules of a file or folder, read by pySigma; unusable rules are reported with a reason."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from scopedrift.detectors.adapters.libraries import library
from scopedrift.detectors.adapters.sigma.correlations import Correlation, correlation
from scopedrift.detectors.adapters.sigma.documents import (
    SUFFIXES,
    RejectedRule,
    RuleDocument,
    documents,
    load_pipeline,
    reason_of,
)
from scopedrift.detectors.adapters.sigma.rules import CompiledRule, compiled_rule

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.filters import SigmaFilter
    from sigma.processing.pipeline import ProcessingPipeline
    from sigma.rule import SigmaRule


@dataclass
class Ruleset:
    """The usable rules of a folder, and the reasons why others are not usable."""

    rules: list[CompiledRule] = field(default_factory=list)
    rejected: list[RejectedRule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Itself: rules never change, and copies of their tests would not be those that their conditions ask."""
        return self

    def alerting(self) -> list[CompiledRule | Correlation]:
        """The rules that alert by themselves, without those that only feed a correlation."""
        serving = {rule for each in self.correlations if not each.generate for rule in each.rules}
        return [*(rule for rule in self.rules if rule not in serving), *self.correlations]


def load_rules(path: Path, pipeline: Path | None = None) -> Ruleset:
    """Reads the rules of a file, or of a folder and all below it.

    Filters change the rules that they name, wherever these are.  A pySigma processing pipeline (YAML) is then applied.
    Raises `ValueError` if there is no rule, or no pipeline, `ImportError` if pySigma is not installed.
    """
    library("sigma.collection", "pySigma", "sigma")
    from sigma.filters import SigmaFilter
    from sigma.rule import SigmaRule

    processing = load_pipeline(pipeline) if pipeline else None
    result = Ruleset()
    rules: list[tuple[Path, SigmaRule]] = []
    correlations: list[tuple[Path, SigmaCorrelationRule]] = []
    filters: list[tuple[Path, SigmaFilter]] = []
    for each in documents(path):
        if not isinstance(each, RuleDocument):
            result.rejected.append(each)
        elif isinstance(each.parsed, SigmaFilter):
            filters.append((each.file, each.parsed))
        elif isinstance(each.parsed, SigmaRule):
            rules.append((each.file, each.parsed))
        else:
            correlations.append((each.file, each.parsed))
    for file, one in filters:
        rules = _filtered(result, rules, file, one)
    known: dict[str, CompiledRule | SigmaCorrelationRule] = {}
    for file, rule in rules:
        _add_rule(result, known, file, rule, processing)
    for _, named in correlations:
        known |= dict.fromkeys(_names(named), named)
    for file, named in correlations:
        _add_correlation(result, known, file, named, processing)
    if not result.rules and not result.correlations:
        why = "".join(f"; {each.file.name}: {each.reason}" for each in result.rejected[:3])
        raise ValueError(f"{path}: no Sigma rules (expected files ending in {', '.join(SUFFIXES)}){why}")
    return result


def _filtered(
    result: Ruleset, rules: list[tuple[Path, SigmaRule]], file: Path, asked: SigmaFilter
) -> list[tuple[Path, SigmaRule]]:
    """The rules with a filter applied to those that it is for."""
    changed: list[tuple[Path, SigmaRule]] = []
    count = 0
    try:
        for of, rule in rules:
            copied: Any = asked.apply_on_rule(copy.deepcopy(rule))
            differs = copied.detection.condition != rule.detection.condition
            if differs and not _wrong(rule) and (reason := _wrong(copied)):
                raise ValueError(reason)
            count += differs
            changed.append((of, copied))
    except Exception as error:  # whatever pySigma raises
        result.rejected.append(_rejected(asked, file, f"not applied: {reason_of(error)}"))
        return rules
    if not count:
        result.rejected.append(_rejected(asked, file, "not applied: it is a filter of none of the rules"))
    return changed


def _wrong(rule: SigmaRule) -> str:
    """What is wrong with a rule's condition; empty if nothing is."""
    try:
        for condition in copy.deepcopy(rule.detection).parsed_condition:
            _ = condition.parsed
    except Exception as error:  # whatever pySigma raises
        return str(error)
    return ""


def _add_rule(
    result: Ruleset,
    known: dict[str, CompiledRule | SigmaCorrelationRule],
    file: Path,
    rule: SigmaRule,
    pipeline: ProcessingPipeline | None,
) -> None:
    try:
        if pipeline is not None:
            pipeline.apply(rule)
        compiled = compiled_rule(rule, file)
    except Exception as error:  # whatever pySigma or a pipeline raise
        result.rejected.append(_rejected(rule, file, f"not read: {reason_of(error)}"))
        return
    result.rules.append(compiled)
    known |= dict.fromkeys(_names(rule), compiled)


def _add_correlation(
    result: Ruleset,
    known: dict[str, CompiledRule | SigmaCorrelationRule],
    file: Path,
    rule: SigmaCorrelationRule,
    pipeline: ProcessingPipeline | None,
) -> None:
    try:
        if pipeline is not None:
            pipeline.apply(rule)
        result.correlations.append(correlation(rule, file, known))
    except Exception as error:  # whatever pySigma or a pipeline raise
        result.rejected.append(_rejected(rule, file, f"not read: {reason_of(error)}"))


def _names(rule: SigmaRule | SigmaCorrelationRule) -> list[str]:
    return [str(name) for name in (rule.name, rule.id) if name]


def _rejected(rule: SigmaRule | SigmaCorrelationRule | SigmaFilter, file: Path, reason: str) -> RejectedRule:
    return RejectedRule(rule.title or file.name, file, reason, str(rule.id or ""))
