"""The documents of rule files, read one by one by pySigma, so that one that cannot be read costs only itself.

Documents with `action: global` and `repeat` are read together with those that they add to.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.filters import SigmaFilter
    from sigma.processing.pipeline import ProcessingPipeline
    from sigma.rule import SigmaRule

    Parsed: TypeAlias = "SigmaRule | SigmaCorrelationRule | SigmaFilter"

SUFFIXES: Final = (".yml", ".yaml")
_MARKER: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""What begins a document of YAML."""
_TITLE: Final = re.compile(r"""^title:[ \t]*["']?(\w.*?)["']?\s*$""", re.MULTILINE)
"""A title that is text: where the title itself is broken, the file's name stands for it."""


class RejectedRule(NamedTuple):
    """A rule, correlation or filter that is not used."""

    title: str
    """Its title, else the name of its file."""
    file: Path
    reason: str
    id: str = ""


class RuleDocument(NamedTuple):
    """What pySigma read of one document."""

    file: Path
    parsed: Parsed


def documents(path: Path) -> Iterator[RuleDocument | RejectedRule]:
    """The rules, correlations and filters of a file, or of a folder and all below it, in order."""
    files = (f for f in sorted(path.rglob("*")) if f.suffix.lower() in SUFFIXES and f.is_file())
    for file in files if path.is_dir() else [path]:
        shared: list[Any] = []
        chain: list[Any] = []
        for number, found in enumerate(_loaded(file), 1):
            action = found.get("action") if isinstance(found, dict) else None
            if action in ("global", "reset"):
                shared = [found] if action == "global" else []
            elif isinstance(found, RejectedRule):
                yield found
            elif isinstance(found, dict) and {"correlation", "filter"} & found.keys():
                yield _parsed(file, number, [found])
            elif found is not None:
                chain = [*chain, found] if action == "repeat" else [found]
                yield _parsed(file, number, [*shared, *chain])


def _loaded(file: Path) -> Iterator[Any]:
    """The documents of a file; if it is not YAML as a whole, those that are by themselves."""
    try:
        text = file.read_text(encoding="utf-8")
    except Exception as error:  # whatever reading raises
        yield RejectedRule(file.name, file, f"not read: {reason_of(error)}")
        return
    try:
        yield from list(yaml.safe_load_all(text))
    except Exception:  # whatever YAML raises
        yield from (_part(file, part) for part in _MARKER.split(text))


def _part(file: Path, part: str) -> Any:
    """One document of a file."""
    try:
        return yaml.safe_load(part)
    except Exception as error:  # whatever YAML raises
        title = _TITLE.search(part)
        return RejectedRule(title[1] if title else file.name, file, f"not read: {reason_of(error)}")


def _parsed(file: Path, number: int, together: list[Any]) -> RuleDocument | RejectedRule:
    """The last of some documents that belong together."""
    from sigma.collection import SigmaCollection

    last = together[-1]
    stated = last if isinstance(last, dict) else {}
    title = str(stated.get("title") or (file.name if number == 1 else f"{file.name}, document {number}"))
    known = str(stated.get("id") or "")
    try:
        read = SigmaCollection.from_dicts(
            copy.deepcopy(together), collect_errors=True, collect_filters=True, resolve_references=False
        )
        parsed: Parsed = [*read.rules, *read.filters][-1]
    except Exception as error:  # whatever pySigma raises
        return RejectedRule(title, file, f"not read: {reason_of(error)}", known)
    if parsed.errors:
        return RejectedRule(title, file, "not read: " + "; ".join(map(str, parsed.errors)), known)
    return RuleDocument(file, parsed)


def load_pipeline(path: Path) -> ProcessingPipeline:
    """A pySigma processing pipeline (YAML).

    Raises `ValueError` if it cannot be read.
    """
    from sigma.processing.pipeline import ProcessingPipeline

    try:
        return ProcessingPipeline.from_yaml(path.read_text(encoding="utf-8"), source_path=str(path))
    except Exception as error:  # whatever YAML or pySigma raise
        raise ValueError(f"{path}: no pySigma processing pipeline: {reason_of(error)}") from None


def reason_of(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
