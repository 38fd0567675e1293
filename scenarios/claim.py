"""Claims: what the guidance says about AI workload identities, each as an experiment that could refute it.

A claim is one YAML file under `claims/`: what is claimed, in a world (a scenario under `claims/worlds/`) with one
thing turned, what is measured, and what would confirm it:

    name: sharing-hides-drift
    signals: [S8]
    claim: The more workloads share an identity, the less of what it does wrong stands out.
    world: fleet
    knob: share of workloads on a shared identity
    settings:
      "0": {identities.sharing: 0.0}
      "1": {identities.sharing: 1.0}
    detectors: [first-seen]
    measure: recall
    expect: falls

`rises` and `falls` compare the last setting with the first, for the first detector; `above` compares the first
detector with the second, at the last setting.  Worlds are paired by seed.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from scopedrift.scenarios.documents import Plain, Problem, ScenarioError, closest, parse, read_text, shown
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Model, Slug, Text
from scopedrift.scenarios.loader import load, override
from scopedrift.scenarios.seeds import Seeds, first_of, fit_for_results
from scopedrift.scenarios.suite import Plan, Suite, Variant

QUICK_SEEDS: Final = 3

Measure = Literal[
    "recall",
    "precision",
    "false_positives_per_day",
    "average_precision_incidents",
    "impact_share",
    "stages_succeeded",
    "attack_hours",
]
"""What can be measured: columns of the result table `cells`, or what intruders achieve, per incident."""
OF_THE_WORLD: Final = ("impact_share", "stages_succeeded", "attack_hours")
"""Measures in which no detector takes part."""


class Claim(Model):
    """One claim and the experiment that tests it; made by `load_claims`."""

    name: Slug = Field(description="Lower-case words joined by hyphens.")
    title: Text = Field(description="The claim in a few words, for tables.")
    signals: tuple[Text, ...] = Field(min_length=1, description="Signals of the guidance, e.g. S8.")
    claim: Text = Field(description="What is claimed, in a sentence or two.")
    world: Text = Field(description="The scenario, by its name under claims/worlds.")
    overrides: Plain = Field(default={}, description="Values by dotted key that hold for every setting.")
    knob: Text = Field(description="What is turned, for the axis of the figure.")
    settings: dict[str, Plain] = Field(min_length=1, description="Values by dotted key, for each label.")
    seeds: Seeds = Field(default=first_of("published", 16), description="Worlds: a range of published seeds.")
    detectors: tuple[Text, ...] = Field(min_length=1, description="Detectors, as on the command line.")
    measure: Measure = Field(description="What is measured.")
    expect: Literal["rises", "falls", "above"] = Field(description="What would confirm the claim.")

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        fit_for_results(self.seeds)
        if len(self.seeds) < 2:
            raise ValueError("a claim compares worlds: expected at least two seeds")
        if self.expect == "above" and len(self.detectors) != 2:
            raise ValueError("above compares two detectors: expected two")
        if self.expect != "above" and len(self.settings) < 2:
            raise ValueError(f"{self.expect} compares the last setting with the first: expected at least two")
        return self

    def quick(self) -> Claim:
        """The same claim on few worlds, at its first and last settings only."""
        ends = {label: self.settings[label] for label in (next(iter(self.settings)), next(reversed(self.settings)))}
        return self.model_copy(update={"seeds": self.seeds[:QUICK_SEEDS], "settings": ends})

    def label(self, setting: str) -> str:
        """What result tables call the world at that setting."""
        return f"{self.world} ({self.knob}: {setting})"

    def plan(self) -> Plan:
        """The sweep that tests it.

        Raises `ScenarioError` for a world that does not exist or a setting that it does not know.
        """
        folder = _root() / "worlds"
        if not (folder / f"{self.world}.yaml").is_file():
            known = [file.name.removesuffix(".yaml") for file in folder.iterdir()]
            near = closest(self.world, known)
            guess = f"; did you mean {near!r}?" if near else ""
            raise ScenarioError(Problem(f"claim {self.name}: no world {shown(self.world)}{guess}"))
        with as_file(folder) as place:
            scenario = load(place / f"{self.world}.yaml")
        variants = []
        for setting, values in self.settings.items():
            changed = {**self.overrides, **values}
            variants.append(Variant(self.label(setting), override(scenario, changed), values))
        suite = Suite(name=self.name, scenarios=(self.world,), seeds=self.seeds, detectors=self.detectors)
        return Plan(suite, tuple(variants))


def claims() -> dict[str, Traversable]:
    """The files of all claims, by name, in order."""
    found = sorted(_root().iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file for file in found if file.name.endswith(".yaml")}


def load_claims(*names: str) -> tuple[Claim, ...]:
    """The claims of these names, or all.

    Raises `ScenarioError` for one that does not exist or is not valid.
    """
    known = claims()
    for name in names:
        if name not in known:
            near = closest(name, known)
            guess = f"did you mean {near!r}?" if near else f"expected one of {', '.join(known)}"
            raise ScenarioError(Problem(f"no claim {shown(name)}: {guess}"))
    return tuple(read_claim(read_text(known[name], label := f"claims/{name}.yaml"), label) for name in names or known)


def read_claim(text: str, label: str) -> Claim:
    """The claim that a YAML text holds; `label` names it in messages.

    Raises `ScenarioError` for anything that is wrong with it.
    """
    document = parse(text, label)
    return validated(Claim, document.value, document)


def _root() -> Traversable:
    return files("scopedrift.scenarios") / "claims"
