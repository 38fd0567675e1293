"""One scenario, several seeds, several detectors: every world is simulated once and shared by the detectors.

A detector that fails costs its cell only: the cell is marked with the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from scopedrift.detectors import loading, registry
from scopedrift.detectors.base import Detector
from scopedrift.detectors.spec import SpecError, parse
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.scoring import name_of
from scopedrift.experiments.evaluation.tables import Tables, combine, tables
from scopedrift.experiments.evaluation.windows import World
from scopedrift.experiments.running.worlds import make_world

if TYPE_CHECKING:
    from scopedrift.scenarios import Scenario

REFERENCES: Final = ("never", "random", "always", "oracle")
"""Detectors that stand beside every result."""
SIMULATION_SHARE: Final = 0.5
"""Of a world's work, for the progress bar (assumed)."""

Progress = Callable[[float, str], None]
"""Called with the share that is done (0 to 1) and what is being done."""


def default_detectors() -> list[str]:
    """The built-in detectors that run on defaults and need no extra package."""
    return [name for name in registry.BUILTIN if name not in registry.REFERENCES and _runs_as_it_is(name)]


def _runs_as_it_is(name: str) -> bool:
    try:
        loading.load(name)
    except (SpecError, ImportError):
        return False
    return True


def resolve(specs: Sequence[str]) -> dict[str, Detector]:
    """The detectors that `specs` ask for, and the references, by the names that results show.

    Raises `SpecError` for the first one that cannot be made.
    """
    return {label: detector for label, (_, detector) in _made(specs).items()}


def named(specs: Sequence[str]) -> dict[str, str]:
    """What `specs` ask for, and the references: how each is asked for, by the name that results show; each once.

    Raises `SpecError` for the first one that cannot be made.
    """
    return {label: spec for label, (spec, _) in _made(specs).items()}


def asked_for(specs: Sequence[str]) -> list[str]:
    """The names that results show of what `specs` ask for, without references that they do not name."""
    return [label for label, spec in named(specs).items() if spec in specs]


def label_of(spec: str, detector: Detector) -> str:
    """The name that results show: that of the detector itself, with the parameters that were given."""
    target, given = parse(spec)
    name = name_of(detector) if _is_a_users(spec) else target
    inside = ", ".join(f"{key}={value}" for key, value in given.items())
    return f"{name}({inside})" if inside else name


def _is_a_users(spec: str) -> bool:
    target, _ = parse(spec)
    return ":" in target or target.endswith(".py")


def _made(specs: Sequence[str]) -> dict[str, tuple[str, Detector]]:
    """Text and detector by label; a user's detector whose name is taken is called as it was asked for."""
    made = {spec: loading.load(spec) for spec in dict.fromkeys([*specs, *REFERENCES])}
    labels: dict[str, str] = {}
    for spec in sorted(made, key=_is_a_users):
        label = label_of(spec, made[spec])
        labels[spec] = spec if label in labels.values() else label
    return {labels[spec]: (spec, detector) for spec, detector in made.items()}


def run_scenario(
    scenario: Scenario, detectors: Sequence[str], seeds: Sequence[int], progress: Progress | None = None
) -> Tables:
    """All result tables (`tables.COLUMNS` and `summary`) of the detectors, with the references, on worlds 0, 1, ...

    Raises `SpecError` before anything runs if a detector cannot be made.
    """
    chosen = resolve(detectors)
    return combine(_cells(scenario, chosen, seeds, progress or (lambda done, what: None)))


def run_world(world: World, detectors: Sequence[str], progress: Progress | None = None) -> Tables:
    """All result tables of the detectors, with the references, on one world, such as a real log with incidents in it.

    Raises `SpecError` before anything runs if a detector cannot be made.
    """
    chosen, show = resolve(detectors), progress or (lambda done, what: None)

    def cells() -> Iterator[Tables]:
        for i, (name, detector) in enumerate(chosen.items()):
            show(i / len(chosen), name)
            yield tables(evaluate_safely(detector, world, name=name), world)

    return combine(cells())


def _cells(
    scenario: Scenario, detectors: Mapping[str, Detector], seeds: Sequence[int], progress: Progress
) -> Iterator[Tables]:
    for i, seed in enumerate(seeds):
        simulating = partial(_simulating, progress, i / len(seeds), SIMULATION_SHARE / len(seeds), seed)
        world = make_world(scenario, seed, progress=simulating)
        for j, (name, detector) in enumerate(detectors.items()):
            done = SIMULATION_SHARE + (1 - SIMULATION_SHARE) * j / len(detectors)
            progress((i + done) / len(seeds), f"{name} on world {seed}")
            yield tables(evaluate_safely(detector, world, name=name), world)


def _simulating(progress: Progress, before: float, share: float, seed: int, done: float) -> None:
    progress(before + share * done, f"simulating world {seed}")
