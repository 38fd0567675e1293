"""The rules of a file or folder, read by pySigma; unusable rules are reported with a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.adapters.libraries import library
from scopedrift.detectors.adapters.sigma.correlations import Correlation, correlation
from scopedrift.detectors.adapters.sigma.rules import CompiledRule, compiled_rule

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule

SUFFIXES: Final = (".yml", ".yaml")


@dataclass
class Ruleset:
    """The usable rules of a folder, and the reasons why others are not usable."""

    rules: list[CompiledRule] = field(default_factory=list)
    rejected: dict[Path, str] = field(default_factory=dict)
    correlations: list[Correlation] = field(default_factory=list)

    def alerting(self) -> list[CompiledRule | Correlation]:
        """The rules that alert by themselves, without those that only feed a correlation."""
        serving = {rule for each in self.correlations if not each.generate for rule in each.rules}
        return [*(rule for rule in self.rules if rule not in serving), *self.correlations]


def load_rules(path: Path) -> Ruleset:
    """Reads the rules of a file, or of a folder and all below it.

    Raises `ValueError` if there is no rule in it, `ImportError` if pySigma is not installed.
    """
    library("sigma.collection", "pySigma", "sigma")
    from sigma.collection import SigmaCollection
    from sigma.rule import SigmaRule

    files = (
        sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file()) if path.is_dir() else [path]
    )
    result = Ruleset()
    known: dict[str, CompiledRule | SigmaCorrelationRule] = {}
    correlations: list[tuple[Path, SigmaCorrelationRule]] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            for rule in SigmaCollection.from_yaml(text, collect_errors=True, resolve_references=False).rules:
                if rule.errors:
                    result.rejected[file] = "; ".join(map(str, rule.errors))
                    continue
                names = [str(name) for name in (rule.name, rule.id) if name]
                if isinstance(rule, SigmaRule):
                    result.rules.append(compiled_rule(rule, file))
                    known |= dict.fromkeys(names, result.rules[-1])
                else:
                    correlations.append((file, rule))
                    known |= dict.fromkeys(names, rule)
        except Exception as error:  # a broken file costs that file alone, whatever YAML or pySigma raise
            result.rejected[file] = _reason(error)
    for file, each in correlations:
        try:
            result.correlations.append(correlation(each, file, known))
        except Exception as error:
            result.rejected[file] = _reason(error)
    if not result.rules and not result.correlations:
        why = "".join(f"; {file.name}: {reason}" for file, reason in list(result.rejected.items())[:3])
        raise ValueError(f"{path}: no Sigma rules (expected files ending in {', '.join(SUFFIXES)}){why}")
    return result


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
