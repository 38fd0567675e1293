"""Which detectors take part in a run, and under which names its results show them.

The references stand beside every result, whether they were asked for or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Final

from scopedrift.detectors import loading, registry
from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import Isolation, as_asked, asked_with, place, place_object
from scopedrift.detectors.spec import SpecError, as_written, is_file_of_tune, parse
from scopedrift.experiments.evaluation.guard import name_of

STANDARD_REFERENCES: Final = tuple(name for name in registry.REFERENCES if name in registry.BUILTIN)
"""The references that stand beside every result."""


def default_detectors() -> list[str]:
    """The built-in detectors that run on defaults and need no extra package."""
    return [name for name in registry.BUILTIN if name not in registry.REFERENCES and _runs_as_it_is(name)]


def log_only_detectors() -> list[str]:
    """The built-in detectors that need nothing beside the log."""
    found = {name: info for name, info in loading.available().items() if name not in registry.ON_REQUEST}
    return [name for name, info in found.items() if not info.reference and not info.needs]


def resolve(
    wanted: Sequence[str | Detector] | Mapping[str, Detector], isolation: Isolation = "on"
) -> dict[str, Detector]:
    """The detectors that are wanted, by text or as they are, and the references, by the names that results show.

    `isolation` says whether those that are not built in get a process of their own.

    Raises `SpecError` for the first one that cannot be made, or whose name is taken.
    """
    if isinstance(wanted, Mapping):
        objects = {name: place_object(each, isolation) for name, each in wanted.items()}
        return {**objects, **{name: loading.load(name) for name in STANDARD_REFERENCES if name not in wanted}}
    texts = [asked_with(each, isolation) for each in wanted if isinstance(each, str)]
    found = {label: detector for label, (_, detector) in made(texts).items()}
    for each in wanted:
        if not isinstance(each, str):
            label, placed = labelled(each, isolation)
            if label in found:
                raise SpecError(f"two detectors have the name {label!r}: give one of them another `name`")
            found[label] = placed
    return found


def labelled(wanted: str | Detector, isolation: Isolation = "on") -> tuple[str, Detector]:
    """A detector where it belongs, with the name that results show.

    That is the name of its class, with the parameters that are not the defaults.

    Raises `SpecError` if it cannot be made.
    """
    if isinstance(wanted, str):
        detector = place(asked_with(wanted, isolation))
        return label_of(wanted, detector), detector
    defaults: dict[str, object] = {f.name: f.default for f in fields(wanted)} if is_dataclass(wanted) else {}
    given = {name: value for name, value in wanted.parameters().items() if value != defaults.get(name)}
    inside = ", ".join(f"{name}={value}" for name, value in given.items())
    label = f"{name_of(wanted)}({inside})" if inside else name_of(wanted)
    return label, place_object(wanted, isolation)


def named(specs: Sequence[str]) -> dict[str, str]:
    """What `specs` ask for, and the references: how each is asked for, by the name that results show; each once.

    Raises `SpecError` for the first one that cannot be made.
    """
    return {label: spec for label, (spec, _) in made(specs).items()}


def asked_for(specs: Sequence[str]) -> list[str]:
    """The names that results show of what `specs` ask for, without references that they do not name."""
    return [label for label, spec in named(specs).items() if spec in specs]


def label_of(spec: str, detector: Detector) -> str:
    """The name that results show: that of the detector itself, with the parameters that were given.

    A tuned detector's parameters are many: where it was tuned stands for them, as in `rate(tuned)`.
    """
    spec = as_asked(spec)
    target, given = as_written(spec)
    tuned = [_short(Path(target))] if is_file_of_tune(target) else []
    name = name_of(detector) if _is_a_users(spec) else parse(spec).target
    inside = ", ".join([*tuned, *(f"{key}={value}" for key, value in given.items())])
    return f"{name}({inside})" if inside else name


def _short(file: Path) -> str:
    """A tuned detector's file in a word: its folder, if it has the name that `tune` gives."""
    return file.absolute().parent.name if file.stem == "detector" else file.stem


def _runs_as_it_is(name: str) -> bool:
    try:
        loading.load(name)
    except (SpecError, ImportError):
        return False
    return True


def _is_a_users(spec: str) -> bool:
    target, _ = parse(spec)
    return ":" in target or target.endswith(".py")


def made(specs: Sequence[str]) -> dict[str, tuple[str, Detector]]:
    """What `specs` ask for, and the references: text and detector, by the name that results show.

    A user's detector whose name is taken is called as it was asked for.

    Raises `SpecError` for the first one that cannot be made.
    """
    placed = {spec: place(spec) for spec in dict.fromkeys([*specs, *STANDARD_REFERENCES])}
    labels: dict[str, str] = {}
    for spec in sorted(placed, key=lambda spec: _is_a_users(as_asked(spec))):
        label = label_of(spec, placed[spec])
        labels[spec] = as_asked(spec) if label in labels.values() else label
    return {labels[spec]: (spec, detector) for spec, detector in placed.items()}
