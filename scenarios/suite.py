"""Suites: scenarios, variations, seeds and detectors that belong together, as data.

    name: sharing
    scenarios: [core-week]
    vary: {identities.sharing: [0, 0.25, 0.5, 0.75, 1]}
    seeds: 10
    detectors: [first-seen, peer-group]

`vary` gives each dotted key a list of values (all combinations run), or, with `design`, a range `{from:, to:}` that a
Latin hypercube or a Sobol sequence of `points` points covers (scipy.stats.qmc).  Ranges hold numbers or durations;
`log: true` spreads points evenly on the log scale.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from scopedrift.scenarios.documents import Plain, Problem, ScenarioError, closest, parse, read_text, shown, write
from scopedrift.scenarios.durations import format_duration, parse_duration
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Factor, Flag, Model, Rate, Share, Size, Slug, Text, fail
from scopedrift.scenarios.loader import load, override
from scopedrift.scenarios.schema import Scenario
from scopedrift.scenarios.seal import Seal
from scopedrift.scenarios.seeds import Seeds, fit_for_results

_SUFFIXES: Final = (".yaml", ".yml")
MAX_VARIANTS: Final = 10_000


class Span(Model):
    """A range that a design covers."""

    low: str | float = Field(alias="from", description="Its lower end: a number or a duration.")
    high: str | float = Field(alias="to", description="Its upper end.")
    log: Flag = Field(default=False, description="Whether points are spread evenly on the log scale.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.ends
        if not low < high or (self.log and low <= 0):
            raise ValueError("expected from below to" + (", and above 0 for log" if self.log else ""))
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends as numbers (durations: microseconds); raises `ValueError` for anything else."""
        return self._number(self.low), self._number(self.high)

    def at(self, share: float) -> str | float:
        """The value at a share of the range, written as in a file."""
        low, high = self.ends
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        if isinstance(self.low, str):
            return format_duration(max(round(value / 1e6), 1) * 1_000_000)
        return round(value) if isinstance(self.low, int) and isinstance(self.high, int) else float(f"{value:.6g}")

    @staticmethod
    def _number(value: object) -> float:
        return float(value) if isinstance(value, int | float) else float(parse_duration(value))


class GateTerms(Model):
    """When a gate reports a regression, and what a pass excludes."""

    alpha: Share = Field(default=0.05, description="Chance of a false verdict over the whole gate.")
    least: Share = Field(default=0.05, description="The smallest loss that matters, as a share of those caught before.")
    effect: Share = Field(default=0.15, description="The loss, as such a share, that a pass excludes...")
    power: Share = Field(default=0.8, description="...and that the worlds must find with this chance.")
    alarms: Factor = Field(default=1.25, description="The smallest growth of false alarms, as a factor, that matters.")
    alarms_effect: Factor = Field(default=1.5, description="The growth of false alarms that a pass excludes.")
    floors: dict[str, dict[str, Share]] = Field(
        default={}, description="Lowest recall allowed, by scenario and detector, whatever the baseline was."
    )


class Suite(Model):
    """What a sweep runs; see the fields. Made by `load_suite`."""

    name: Slug = Field(description="Lower-case words joined by hyphens.")
    version: Size = Field(default=1, description="Raised whenever results under this name would change.")
    description: Text = Field(default="", description="What the suite is for.")
    scenarios: tuple[Text, ...] = Field(min_length=1, description="Scenarios by name, or paths from the suite's file.")
    overrides: Plain = Field(default={}, description="Values by dotted key that hold for every scenario.")
    vary: dict[str, list[Any] | Span] = Field(default={}, description="Values, or a range, by dotted key.")
    design: Literal["grid", "latin-hypercube", "sobol"] = Field(default="grid", description="How `vary` is covered.")
    points: Size = Field(default=16, description="Number of points, unless the design is a grid.")
    seeds: Seeds = Field(
        default=(0, 1, 2, 3, 4), description="Worlds: how many (from seed 0), a range such as 200-219, or a list."
    )
    detectors: tuple[Text, ...] = Field(min_length=1, description="Detectors, as on the command line.")
    alert_budget: Rate | None = Field(default=None, description="False alarms accepted; the scenario's by default.")
    gate: GateTerms = Field(default=GateTerms(), description="Terms of `scopedrift gate`.")
    frozen: dict[str, Text] = Field(
        default={},
        description="Digest of each scenario's log at seed 0: a simulator that gives another one changes"
        " what results under this name mean, and needs a new version.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.frozen:  # results under its name are compared
            try:
                fit_for_results(self.seeds)
            except ValueError as error:
                fail([Problem(str(error), ("seeds",))])
        for key, values in self.vary.items():
            if self.design == "grid" and isinstance(values, Span):
                message = "a grid needs a list of values; a range needs design: latin-hypercube or sobol"
                fail([Problem(message, ("vary", key))])
            if self.design != "grid" and not isinstance(values, Span):
                fail([Problem(f"a {self.design} design needs a range {{from:, to:}}", ("vary", key))])
            if not isinstance(values, Span) and not values:
                fail([Problem("expected at least one value", ("vary", key))])
        count = math.prod(len(v) for v in self.vary.values() if not isinstance(v, Span)) * len(self.scenarios)
        if count > MAX_VARIANTS:
            fail([Problem(f"makes {count:,} variants; expected at most {MAX_VARIANTS:,}", ("vary",))])
        return self

    def combinations(self) -> list[Plain]:
        """What each variant changes, by dotted key."""
        if not self.vary:
            return [{}]
        spans = {key: span for key, span in self.vary.items() if isinstance(span, Span)}
        if not spans:
            return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]
        from scipy.stats import qmc

        kind = qmc.LatinHypercube if self.design == "latin-hypercube" else qmc.Sobol
        shares = kind(d=len(spans), rng=0).random(self.points)
        return [{k: s.at(float(u)) for (k, s), u in zip(spans.items(), row, strict=True)} for row in shares]


@dataclass(frozen=True)
class Variant:
    """One scenario of a suite, as changed, and what results call it."""

    label: str
    scenario: Scenario
    changed: Plain


@dataclass(frozen=True)
class Plan:
    """A suite with its scenarios read."""

    suite: Suite
    variants: tuple[Variant, ...]
    seal: Seal | None = None
    """What makes its worlds, if they are sealed: the suite's seeds are their numbers then."""

    def with_detectors(self, detectors: Sequence[str]) -> Plan:
        """The same plan for other detectors."""
        return replace(self, suite=self.suite.model_copy(update={"detectors": tuple(detectors)}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its worlds."""
        return self.suite.seeds if self.seal is None else self.seal.seeds(self.suite.seeds)

    def sealed(self, seal: Seal) -> Plan:
        """The same plan on sealed worlds."""
        return replace(self, seal=seal)

    def with_seeds(self, seeds: tuple[int, ...]) -> Plan:
        """The same plan on other worlds."""
        return replace(self, suite=self.suite.model_copy(update={"seeds": seeds}))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that results depend on: scenarios, seeds, detectors, terms."""
        content = {
            "variants": [(variant.label, variant.scenario.digest()) for variant in self.variants],
            "seeds": self.suite.seeds,
            **({"seal": self.seal.hash} if self.seal else {}),
            "detectors": self.suite.detectors,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def suites() -> dict[str, Traversable]:
    """The files of the library's suites, by name."""
    folder = files("scopedrift.scenarios") / "suites"
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {file.name.removesuffix(".yaml"): file for file in found if file.name.endswith(".yaml")}


def load_suite(source: str | Path | Mapping[str, object]) -> Plan:
    """The suite of that name in the library, in the YAML file at that path, or in a mapping, with all its variants.

    Raises `ScenarioError` for anything that is wrong with it.
    """
    label, text, folder = _find(source)
    document = parse(text, label)
    suite = validated(Suite, document.value, document)
    variants = []
    for at, name in enumerate(suite.scenarios):
        try:
            scenario = load(folder / name if folder is not None and name.endswith(_SUFFIXES) else name)
            for changed in suite.combinations():
                variants.append(_variant(suite, scenario, changed))
        except ScenarioError as error:
            raise ScenarioError(*(document.problem(str(p), ("scenarios", at)) for p in error.problems)) from None
    return Plan(suite, tuple(variants))


def _variant(suite: Suite, scenario: Scenario, changed: Plain) -> Variant:
    values = {**suite.overrides, **changed}
    if suite.alert_budget is not None:
        values["evaluation.alert_budget"] = f"{suite.alert_budget}/day"
    inside = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in changed.items())
    label = f"{scenario.name} ({inside})" if inside else scenario.name
    return Variant(label, override(scenario, values) if values else scenario, changed)


def _find(source: str | Path | Mapping[str, object]) -> tuple[str, str, Path | None]:
    """What messages call the suite, its text, and the folder that its paths start from."""
    if isinstance(source, Mapping):
        return "<mapping>", write(dict(source)), None
    name_or_path = str(source)
    if name_or_path in (known := suites()):
        label = f"suites/{known[name_or_path].name}"
        return label, read_text(known[name_or_path], label), None
    if name_or_path.endswith(_SUFFIXES) or "/" in name_or_path:
        path = Path(name_or_path)
        return name_or_path, read_text(path, name_or_path), path.parent
    near = closest(name_or_path, known)
    guess = f"did you mean {near!r}?; " if near else ""
    raise ScenarioError(Problem(f"no suite {shown(name_or_path)}: {guess}see `scopedrift list suites`"))
