"""Finding, reading and extending scenario files.

A file may say `extends:` the name of a library scenario, or the path of a file relative to itself.  Its
mappings are merged into its parent's, key by key; lists and plain values replace; `key: null` takes the
parent's key away, and a workload family set to `off` does not run.  `name`, `version` and `description`
are never inherited.  Whatever is wrong is said with the file and line it is written on, a parent's included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from scopedrift.scenarios.documents import (
    Document,
    KeyPath,
    Place,
    Plain,
    Problem,
    ScenarioError,
    closest,
    key_text,
    parse,
    read_text,
    shown,
    suggestion,
    write,
)
from scopedrift.scenarios.explain import explain, validated
from scopedrift.scenarios.schema import Scenario

_SUFFIXES: Final = (".yaml", ".yml")
_OWN: Final = ("name", "version", "description")


@dataclass(frozen=True)
class _Source:
    """One scenario text: what messages call it, and the folder that its relative paths start from."""

    label: str
    text: str
    folder: Path | None = None


def library_root() -> Traversable:
    """The folder that holds the library's files."""
    return files("scopedrift.scenarios") / "library"


def library() -> dict[str, Traversable]:
    """The files of the library's scenarios, by name."""
    folder = library_root()
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {file.name.removesuffix(".yaml"): file for file in found if file.name.endswith(".yaml")}


def descriptions() -> dict[str, str]:
    """What each scenario of the library is for, by name; the scenarios are not validated.

    Examples:
        >>> import scopedrift as sd
        >>> "quickstart" in sd.scenarios()
        True
    """
    result = {}
    for name, file in library().items():
        label = f"library/{file.name}"
        text = parse(read_text(file, label), label).value.get("description")
        result[name] = " ".join(text.split()) if isinstance(text, str) else ""
    return result


def load(source: str | Path | Mapping[str, object]) -> Scenario:
    """Read a scenario: a name in the library, the path of a YAML file, or a mapping with what a file would hold.

    Args:
        source: A name that `scopedrift.scenarios()` lists, a path (it has a slash, or ends in `.yaml`), or a mapping.

    Returns:
        The scenario, validated and immutable. Times in it are microseconds since 1970 UTC, durations microseconds.

    Raises:
        ScenarioError: The file does not exist or something in it is wrong; the message names file, line and key.

    Examples:
        >>> import scopedrift as sd
        >>> sd.load_scenario("quickstart").horizon / 86_400e6  # days
        14.0
        >>> shared = sd.load_scenario({"name": "shared", "extends": "tiny", "identities": {"sharing": 0.8}})
        >>> shared.identities.sharing
        0.8
    """
    if isinstance(source, Mapping):
        return load_text(write(dict(source)), source="<mapping>")
    return _read(_find(source))


def load_text(text: str, *, source: str = "<text>", folder: Path | None = None) -> Scenario:
    """The scenario that a YAML text holds; `source` names it in messages, relative paths start from `folder`.

    Raises `ScenarioError` for anything that is wrong with it.
    """
    return _read(_Source(source, text, folder))


def override(scenario: Scenario, values: Mapping[str, object]) -> Scenario:
    """A copy with some values replaced, by dotted key: `{"identities.sharing": 0.5, "incidents.0.count": 3}`.

    Values are written as in a file (durations as text); `None` restores a default, `off` removes a family.
    Raises `ScenarioError` for an unknown key or a wrong value.
    """
    plain = scenario.plain()
    paths = {dotted: _assign(plain, dotted, value) for dotted, value in values.items()}
    try:
        return Scenario.model_validate(plain)
    except ValidationError as error:
        raise ScenarioError(*(_overridden(problem, paths) for problem in explain(error, Scenario))) from None


def _read(source: _Source) -> Scenario:
    document = _extended(source)
    return validated(Scenario, document.value, document)


def _find(name_or_path: str | Path) -> _Source:
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or text.endswith(_SUFFIXES) or "/" in text or "\\" in text
    if not is_path and text in (known := library()):
        file = known[text]
        label = f"library/{file.name}"
        return _Source(label, read_text(file, label))
    path = Path(text)
    if is_path and _exists(path):
        return _Source(text, read_text(path, text), path.parent)
    message = f"no scenario {shown(text)}" if not is_path else f"no scenario file {shown(text)}"
    near = closest(path.stem, library())
    guess = f"did you mean {near!r}?; " if near else ""
    raise ScenarioError(Problem(f"{message}: {guess}see `scopedrift list scenarios`"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _extended(source: _Source, above: tuple[str, ...] = ()) -> Document:
    """The document of `source`, merged into what it extends; `above` lists the files that led here."""
    child = parse(source.text, source.label)
    if "extends" not in child.value:
        return child
    name = child.value.pop("extends")
    if not isinstance(name, str):
        raise ScenarioError(child.problem(f"expected a scenario's name or a path, not {shown(name)}", ("extends",)))
    is_path = name.endswith(_SUFFIXES) or "/" in name
    if is_path and source.folder is None:
        message = "expected a scenario's name: a path needs a file to be relative to"
        raise ScenarioError(child.problem(message, ("extends",)))
    try:
        found = _find(source.folder / name if is_path and source.folder is not None else name)
    except ScenarioError as error:
        raise ScenarioError(*(child.problem(str(problem), ("extends",)) for problem in error.problems)) from None
    trail = (*above, _identity(source))
    if _identity(found) in trail:
        circle = " -> ".join([*trail[trail.index(_identity(found)) :], _identity(found)])
        raise ScenarioError(child.problem(f"extends itself: {circle}", ("extends",)))
    parent = _extended(found, trail)
    value = {key: item for key, item in parent.value.items() if key not in _OWN}
    places = {key: place for key, place in parent.places.items() if key[:1] not in [(own,) for own in _OWN]}
    _merge(value, places, child, ())
    return Document(value, places)


def _identity(source: _Source) -> str:
    return source.label if source.folder is None else str(Path(source.label).resolve())


def _merge(value: Plain, places: dict[KeyPath, Place], child: Document, at: KeyPath) -> None:
    """Merge what `child` holds at the key `at` into `value`, and its places into `places`."""
    mine: Any = child.value
    for part in at:
        mine = mine[part]
    if at in child.places:
        places[at] = child.places[at]
    for key, item in mine.items():
        path = (*at, key)
        if isinstance(item, dict) and isinstance(value.get(key), dict):
            _merge(value[key], places, child, path)
            continue
        _move(places, child.places, path)
        if item is None and key in value:
            del value[key]
        else:
            value[key] = item


def _move(places: dict[KeyPath, Place], fresh: Mapping[KeyPath, Place], path: KeyPath) -> None:
    """Take the places of everything at `path` from `fresh`."""
    for key in [key for key in places if key[: len(path)] == path]:
        del places[key]
    places.update((key, place) for key, place in fresh.items() if key[: len(path)] == path)


def _assign(plain: Plain, dotted: str, value: object) -> KeyPath:
    """Set one value in a scenario's plain data; the key path that it was set at."""
    path: KeyPath = ()
    inner: Any = plain
    *outer, last = dotted.split(".")
    for part in outer:
        key = _step(inner, part, path, dotted)
        path, inner = (*path, key), inner[key]
    key = _step(inner, last, path, dotted, leaf=True)
    if value is None and isinstance(key, str):
        inner.pop(key, None)
    else:
        inner[key] = value
    if path[:1] in (("changes",), ("incidents",)) and len(path) == 2 and key in ("kind", "attack", "drift"):
        inner.pop("with", None)  # the parameters of what it was before
    return (*path, key)


def _step(inner: object, part: str, path: KeyPath, dotted: str, *, leaf: bool = False) -> str | int:
    """The key or position that `part` of an override names within `inner`, which it can be looked up with."""
    if isinstance(inner, list):
        positions = [str(i) for i in range(len(inner))]
        if part in positions:
            return positions.index(part)
        raise _no_override(dotted, f"{key_text(path)} has no position {shown(part)}; it holds {len(inner)}, from 0")
    if not isinstance(inner, dict) or not part:
        raise _no_override(dotted, f"{key_text(path) or 'a scenario'} has no key {shown(part)}")
    if path == ("workloads",) and part not in inner and not leaf:
        raise _no_override(dotted, f"the scenario does not run the family {shown(part)}{suggestion(part, inner)}")
    if not leaf and inner.get(part) is None:
        inner[part] = {}
    return part


def _no_override(dotted: str, message: str) -> ScenarioError:
    return ScenarioError(Problem(f"override {key_text([dotted])}: {message}"))


def _overridden(problem: Problem, paths: Mapping[str, KeyPath]) -> Problem:
    """The problem, said of the override that caused it where that is plain."""
    for dotted, path in paths.items():
        if problem.key[: len(path)] == path:
            inner = key_text(problem.key[len(path) :])
            return Problem(f"override {key_text([dotted])}: " + (f"{inner}: " if inner else "") + problem.message)
        if problem.key and path[: len(problem.key)] == problem.key:
            return Problem(f"override {key_text([dotted])}: {problem.message}")
    return Problem(f"override {', '.join(paths)}: {key_text(problem.key)}: {problem.message}")
