"""The files that a specification depends on, found without importing anything.

Results are kept under what these files hold, and a process that is shut in may read them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from scopedrift.detectors.registry import ours, plugins
from scopedrift.detectors.spec import words


def named_files(spec: str) -> list[Path]:
    """The files that a specification names, wherever in it.

    They are files, those in folders, and the Python files of the packages behind `module:Class` and behind detectors
    that other packages offer.
    """
    found: dict[Path, None] = {}
    for text in words(spec):
        if ours(text):
            continue
        path = Path(text.partition(".py:")[0] + ".py" if ".py:" in text else text)
        if path.is_dir():
            found |= dict.fromkeys(sorted(inner for inner in path.rglob("*") if inner.is_file()))
        elif path.is_file():
            found[path] = None
        else:
            found |= dict.fromkeys(file for place in places_of_target(text) for file in _python_files(place))
    return list(found)


def places_of_target(target: str) -> list[Path]:
    """Where the top package behind `module:Class`, or behind a name of another package, is: folders, or one file."""
    point = plugins().get(target)
    module, colon, _ = (point.value if point else target).partition(":")
    top = module.partition(".")[0]
    return list(places(top)) if colon and top.isidentifier() else []


def places(module: str) -> Iterator[Path]:
    """Where the code of a module or package is: folders, or one file."""
    found = importlib.util.find_spec(module)
    if found is None:
        return
    if found.submodule_search_locations is not None:
        yield from map(Path, found.submodule_search_locations)
    elif found.origin and Path(found.origin).is_file():
        yield Path(found.origin)


def _python_files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]
