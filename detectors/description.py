"""Descriptions of detector classes: summary, required knowledge and parameters."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields, is_dataclass

from scopedrift.detectors.base import Detector, SearchRange
from scopedrift.detectors.registry import reference


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter of a detector."""

    name: str
    type: str
    default: object
    """`None` also for required parameters."""
    range: SearchRange | None
    doc: str


@dataclass(frozen=True)
class DetectorInfo:
    """The entry of a detector in a list."""

    name: str
    summary: str
    needs: frozenset[str]
    reference: bool
    parameters: tuple[ParameterInfo, ...]


def describe(cls: type[Detector], name: str | None = None) -> DetectorInfo:
    """Describes a detector class, under `name` if it is registered under one."""
    label = name or cls.name or cls.__name__
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    return DetectorInfo(label, summary, frozenset(cls.needs), bool(reference(label)), tuple(_parameters(cls)))


def _parameters(cls: type[Detector]) -> list[ParameterInfo]:
    if not is_dataclass(cls):
        return []
    found = []
    for f in fields(cls):
        if not f.init:
            continue
        default = f.default
        if default is MISSING:
            default = f.default_factory() if f.default_factory is not MISSING else None
        kind = f.type if isinstance(f.type, str) else getattr(f.type, "__name__", str(f.type))
        found.append(ParameterInfo(f.name, kind, default, f.metadata.get("range"), f.metadata.get("doc", "")))
    return found
