"""Finding detectors: built-in names, entry points, `module:Class`, and Python files.

A detector is asked for by text, with its parameters behind it if it needs any::

    first-seen
    first-seen(memory=14, peers=0.5)
    change-aware(detector=first-seen)
    river(model=HalfSpaceTrees)
    my_package.detectors:NewRegistry
    ./new_registry.py
    ./new_registry.py:NewRegistry(threshold=3)

Other packages offer detectors by entry points of the group `scopedrift.detectors`.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_args, get_origin, get_type_hints

from scopedrift.detectors.base import Detector, Range

GROUP: Final = "scopedrift.detectors"
"""The entry-point group in which other packages offer detectors."""

BUILTIN: Final[Mapping[str, str]] = {
    name: f"scopedrift.detectors.builtin.{target}"
    for name, target in {
        "never": "references:Never",
        "always": "references:Always",
        "random": "references:Random",
        "periodic": "references:Periodic",
        "oracle": "references:Oracle",
        "declared-policy": "declared_policy:DeclaredPolicy",
        "first-seen": "first_seen:FirstSeen",
        "rate": "rate:Rate",
        "sequence": "sequence:Sequence",
        "chain-correlation": "chain_correlation:ChainCorrelation",
        "start-up": "start_up:StartUp",
        "peer-group": "peer_group:PeerGroup",
        "task-context": "task_context:TaskContext",
        "change-aware": "change_aware:ChangeAware",
        "drift": "drift:Drift",
        "isolation-forest": "outliers:IsolationForest",
        "histogram": "outliers:Histogram",
        "ensemble": "ensemble:Ensemble",
    }.items()
}
"""Built-in names and where their classes are."""

ON_REQUEST: Final[Mapping[str, str]] = {
    name: f"scopedrift.detectors.{target}"
    for name, target in {
        "half-space-trees": "builtin.half_space_trees:HalfSpaceTrees",
        "river": "adapters.river:River",
        "pyod": "adapters.pyod:Pyod",
        "sklearn": "adapters.sklearn:Sklearn",
        "agentnorm": "adapters.agentnorm:Agentnorm",
        "sigma": "adapters.sigma:Sigma",
        "program": "adapters.program:Program",
        "http": "adapters.http:Http",
        "isolated": "isolation.isolated:Isolated",
    }.items()
}
"""Names that run only if they are asked for, and where their classes are: adapters, and what needs other software."""

REFERENCES: Final = frozenset({"never", "always", "random", "periodic", "oracle"})
"""Built-in detectors that only say what no skill achieves (and `oracle`: what plumbing allows)."""


class DetectorError(ValueError):
    """A detector that cannot be found, or was asked for with wrong parameters."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a detector."""

    name: str
    type: str
    default: Any
    """`None` also where the parameter must be given."""
    range: Range | None
    doc: str


@dataclass(frozen=True)
class Info:
    """What a list of detectors shows of one."""

    name: str
    summary: str
    needs: frozenset[str]
    reference: bool
    parameters: tuple[Parameter, ...]


def load(spec: str, parameters: Mapping[str, Any] | None = None) -> Detector:
    """The detector that `spec` asks for; `parameters` override those in its parentheses.

    Raises `DetectorError` with a suggestion.
    """
    target, given = parse(spec)
    return _construct(find(target), target, {**given, **(parameters or {})})


def available() -> dict[str, Info]:
    """Every detector that can be named: built-in ones, adapters, then those of other packages that can be imported."""
    infos = {name: describe(_imported(target), name) for name, target in {**BUILTIN, **ON_REQUEST}.items()}
    for name, point in sorted(_plugins().items()):
        if name in infos:
            continue
        try:
            infos[name] = describe(_detector_class(point.load(), name), name)
        except Exception as error:  # a broken plug-in must not take the list down
            infos[name] = Info(name, f"cannot be loaded: {error}", frozenset(), False, ())
    return infos


def describe(cls: type[Detector], name: str | None = None) -> Info:
    """What there is to say of a detector class."""
    label = name or cls.name or cls.__name__
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    return Info(label, summary, frozenset(cls.needs), label in REFERENCES, tuple(_parameters(cls)))


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Splits `name(parameter=value, ...)`; values are Python literals, or plain text.

    Raises `DetectorError` if the parentheses cannot be read.
    """
    match = re.fullmatch(r"\s*([^()]+?)\s*(?:\((.*)\))?\s*", spec, re.DOTALL)
    if match is None:
        raise DetectorError(f"cannot read the detector {spec!r}: expected name or name(parameter=value, ...)")
    target, inside = match.groups()
    given: dict[str, Any] = {}
    for item in _split(inside or "", spec):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise DetectorError(f"cannot read {item.strip()!r} in {spec!r}: expected parameter=value")
        if key in given:
            raise DetectorError(f"parameter {key!r} is given twice in {spec!r}")
        given[key] = _value(value)
    return target, given


def find(target: str) -> type[Detector]:
    """The class behind a name, `module:Class` or `path.py[:Class]`.

    Raises `DetectorError`.
    """
    if target in BUILTIN or target in ON_REQUEST:
        return _imported(BUILTIN.get(target) or ON_REQUEST[target])
    plugins = _plugins()
    if target in plugins:
        try:
            return _detector_class(plugins[target].load(), target)
        except DetectorError:
            raise
        except Exception as error:
            where = plugins[target].value
            raise DetectorError(f"the plug-in {target!r} ({where}) cannot be loaded: {error}") from error
    path, _, name = target.rpartition(":") if re.search(r"\.py:[^/\\]*$", target) else (target, "", "")
    if path.endswith(".py"):
        return _pick(_from_file(Path(path)), name, target)
    module, colon, name = target.partition(":")
    if colon:
        return _pick(_module(module, target), name, target)
    names = [*BUILTIN, *ON_REQUEST, *plugins]
    close = difflib.get_close_matches(target, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(names))}"
    raise DetectorError(f"unknown detector {target!r}: {hint} (module:Class and path/to/file.py work too)")


def named_files(spec: str) -> list[Path]:
    """The files that a specification names, wherever in it: what they hold decides, too.

    They are files, those in folders, and the sources of the packages behind `module:Class` and behind detectors that
    other packages offer.  Nothing is imported.
    """
    found: dict[Path, None] = {}
    for text in _words(spec):
        if text in BUILTIN or text in ON_REQUEST:
            continue
        path = Path(text.partition(".py:")[0] + ".py" if ".py:" in text else text)
        if path.is_dir():
            found |= dict.fromkeys(sorted(inner for inner in path.rglob("*") if inner.is_file()))
        elif path.is_file():
            found[path] = None
        else:
            found |= dict.fromkeys(_sources(entry_point(text) or text))
    return list(found)


def _words(spec: str) -> Iterator[str]:
    """What may be a name in a specification: targets, values and what is quoted (with blanks or not), and all words.

    Names of parameters are none.
    """
    yield spec.partition("(")[0].strip()
    for value in re.finditer(r"[=+]([^()=+,'\"\[\]{}]+)", spec):
        yield value[1].strip()
    for quoted in re.finditer(r"'([^']*)'|\"([^\"]*)\"", spec):
        yield quoted[1] or quoted[2] or ""
    for match in re.finditer(r"[^\s()=,'\"\[\]{}]+", spec):
        if not spec[match.end() :].lstrip().startswith("="):
            yield match[0]


def _sources(target: str) -> list[Path]:
    """The Python files of the top package of `module:Class`, found without importing it."""
    match = re.match(r"([A-Za-z_]\w*)[\w.]*:", target)
    spec = importlib.util.find_spec(match[1]) if match else None
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return sorted(file for folder in spec.submodule_search_locations for file in Path(folder).rglob("*.py"))
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []


def entry_point(target: str) -> str | None:
    """Where the plug-in of that name is (`module:Class`), without importing it; `None` if there is none."""
    plugin = None if target in BUILTIN or target in ON_REQUEST else _plugins().get(target)
    return plugin.value if plugin else None


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _imported(target: str) -> type[Detector]:
    module, _, name = target.partition(":")
    found: type[Detector] = getattr(importlib.import_module(module), name)
    return found


def _module(name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise DetectorError(f"cannot import {name!r} for the detector {target!r}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DetectorError(f"no such file: {path}")
    name = f"scopedrift_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DetectorError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise DetectorError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _pick(module: ModuleType, name: str, target: str) -> type[Detector]:
    """The class `name` of a module, or the only detector that the module itself defines."""
    own = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, Detector) and item.__module__ == module.__name__
    ]
    if name:
        if not hasattr(module, name):
            close = difflib.get_close_matches(name, [c.__name__ for c in own] or dir(module), n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise DetectorError(f"{target!r}: there is no {name!r} in it{hint}")
        return _detector_class(getattr(module, name), target)
    if len(own) == 1:
        return own[0]
    if not own:
        raise DetectorError(f"{target!r} defines no subclass of scopedrift.detectors.Detector")
    choices = ", ".join(f":{cls.__name__}" for cls in own)
    raise DetectorError(f"{target!r} defines {len(own)} detectors: add one of {choices}")


def _detector_class(item: Any, target: str) -> type[Detector]:
    if inspect.isclass(item) and issubclass(item, Detector):
        return item
    raise DetectorError(f"{target!r} is not a subclass of scopedrift.detectors.Detector")


def _parameters(cls: type[Detector]) -> list[Parameter]:
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
        found.append(Parameter(f.name, kind, default, f.metadata.get("range"), f.metadata.get("doc", "")))
    return found


def _construct(cls: type[Detector], target: str, given: dict[str, Any]) -> Detector:
    known = [p.name for p in _parameters(cls)]
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
            raise DetectorError(f"{target!r} has no parameter {name!r}: {hint}")
    hints = get_type_hints(cls) if given else {}
    values = {name: _checked(value, hints.get(name), name, target) for name, value in given.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise DetectorError(f"{target!r} cannot be made: {error}") from error


def _checked(value: Any, kind: Any, name: str, target: str) -> Any:
    """The value, fitted to a plain type (an integer is a fine float) or a dictionary; others are not checked."""
    if isinstance(value, str) and dict in {get_origin(part) for part in get_args(kind)}:
        raise DetectorError(f"parameter {name!r} of {target!r} must be a dictionary such as {{'a': 1}}, not {value!r}")
    if kind not in (bool, int, float, str):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise DetectorError(f"parameter {name!r} of {target!r} must be {kind.__name__}, not {value!r}")


def _split(inside: str, spec: str) -> list[str]:
    """Cuts at the commas that stand outside brackets and quotes."""
    items, depth, quote, start = [], 0, "", 0
    for position, character in enumerate(inside):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            items.append(inside[start:position])
            start = position + 1
    if depth or quote:
        raise DetectorError(f"unbalanced brackets or quotes in {spec!r}")
    return [item for item in [*items, inside[start:]] if item.strip()]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        lowered = text.lower()
        return {"true": True, "false": False, "none": None}.get(lowered, text)
