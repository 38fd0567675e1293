"""Reading YAML safely, remembering where every key stands, and saying what is wrong with it.

Only plain data is ever built: mappings with text keys, lists, text, numbers, true/false and null.  Tags that
would construct anything else, duplicate keys, oversized files and files that grow by aliases are refused.
Every complaint names the file, the line and the key.  Lines count from 1.
"""

from __future__ import annotations

import difflib
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

KeyPath = tuple[str | int, ...]
Plain = dict[str, Any]
"""A mapping of plain data, as YAML holds it: what a value is, only a model can say."""

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 100_000
"""Values in one file, aliases written out."""
MAX_CHARACTERS: Final = 4 << 20
"""Characters of text in one file, aliases written out."""
MAX_DEPTH: Final = 50
MAX_PROBLEMS: Final = 20
"""Problems that one message names."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = re.compile(r"(?:[A-Za-z][A-Za-z0-9_./-]*|[0-9]+(?:\.[0-9]+)?(?:us|ms|s|m|h|d|/day))(?: [A-Za-z0-9_./-]+)*")
"""Text that needs no quotes under any version of YAML, except for these words."""
_NOT_TEXT = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


class Node(Protocol):
    """A value in YAML as a composer leaves it: a mapping, a sequence or a scalar, its kind in `id`."""

    id: str
    tag: object
    value: Any
    start_mark: Any


@dataclass(frozen=True)
class Place:
    """Where something is written."""

    file: str
    line: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, at which key, and where that is written (when it came from a file)."""

    message: str
    key: KeyPath = ()
    place: Place | None = None

    def __str__(self) -> str:
        where = f"{self.place.file}:{self.place.line}" if self.place else ""
        return ": ".join(part for part in (where, key_text(self.key), self.message) if part)


class ScenarioError(ValueError):
    """A scenario that cannot be used; its text is the message for the person who wrote it, a line a problem."""

    def __init__(self, *problems: Problem) -> None:
        if len(problems) > MAX_PROBLEMS:
            more = len(problems) - MAX_PROBLEMS
            problems = (*problems[:MAX_PROBLEMS], Problem(f"and {more:,} more problems"))
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(frozen=True)
class Document:
    """A mapping read from YAML, and where each of its keys stands."""

    value: Plain
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def place(self, key: KeyPath) -> Place | None:
        """Where `key` is written, or the nearest thing around it that is."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key)

    def problem(self, message: str, key: KeyPath = ()) -> Problem:
        """A problem at `key`, with its place."""
        return Problem(message, key, self.place(key))


def key_text(key: Iterable[str | int]) -> str:
    """A key path as people write it: `incidents[0].strength`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if part.isprintable() and 0 < len(part) <= 60 else shown(part))
    return text


def shown(value: object) -> str:
    """A value as it may be shown in a message: on one line, and short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def closest(word: object, known: Iterable[str]) -> str:
    """The known name that was probably meant, or nothing."""
    text, names = str(word)[:100].lower(), sorted(known)
    close = difflib.get_close_matches(text, names, n=1)
    return next(iter([*close, *(name for name in names if len(text) > 2 and text in name)]), "")


def suggestion(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'training'?`, or what there is to choose from."""
    names = sorted(known)
    if guess := closest(word, names):
        return f"; did you mean {guess!r}?"
    return f"; expected one of: {', '.join(names)}" if names else "; there are none to choose from"


def read_text(file: Path | Traversable, source: str) -> str:
    """The text of a file of at most `MAX_BYTES`; `source` names it in messages.

    Raises `ScenarioError` for a file that cannot be read, is too large or is not UTF-8.
    """
    if isinstance(file, Path) and file.exists() and not file.is_file():
        kind = "a folder" if file.is_dir() else "a pipe or a device"
        raise ScenarioError(Problem(f"{source}: is {kind}; expected a file"))
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(Problem(f"{source}: cannot be read: {reason}")) from None
    if len(raw) > MAX_BYTES:
        raise ScenarioError(Problem(f"{source}: larger than 1 MiB; expected a short text"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ScenarioError(Problem("expected UTF-8 text", (), Place(source, line))) from None


def parse(text: str, source: str, *, number_keys: bool = False) -> Document:
    """The mapping that a YAML text holds, with the place of every key; `number_keys` allows numbers as keys.

    Raises `ScenarioError` for anything but one plain mapping.
    """
    top = Place(source, 1)
    if len(text) > MAX_BYTES:
        raise ScenarioError(Problem(f"{source}: larger than 1 MiB; expected a short text"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used twice is harmless
            node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1) if mark else top
        raise ScenarioError(
            Problem(f"not valid YAML: {_one_line(error.problem or error.context)}", (), place)
        ) from None
    except RecursionError:
        raise ScenarioError(Problem("the file is nested too deeply", (), top)) from None
    except (YAMLError, ValueError) as error:
        raise ScenarioError(Problem(f"not valid YAML: {_one_line(error)}", (), top)) from None
    return document(node, source, number_keys=number_keys)


def document(node: Node | None, source: str, *, number_keys: bool = False) -> Document:
    """What `parse` makes of the node that a text is."""
    if node is None or node.id != "mapping":
        raise ScenarioError(Problem("expected a mapping (key: value) at the top of the file", (), Place(source, 1)))
    reader = _Reader(source, number_keys)
    return Document(cast(Plain, reader.value(node, ())), reader.places)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:200]


class _Reader:
    """Turns composed nodes into plain values, counting them as it goes."""

    def __init__(self, source: str, number_keys: bool) -> None:
        self.number_keys = number_keys
        self.source = source
        self.places: dict[KeyPath, Place] = {}
        self.nodes = 0
        self.characters = 0

    def fail(self, message: str, key: KeyPath, node: Node) -> NoReturn:
        raise ScenarioError(Problem(message, key, Place(self.source, node.start_mark.line + 1)))

    def value(self, node: Node, key: KeyPath) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.fail(f"holds more than {MAX_NODES:,} values once its aliases are written out", key[:3], node)
        if len(key) > MAX_DEPTH:
            self.fail(f"is nested more than {MAX_DEPTH} levels deep", key[:3], node)
        self.places.setdefault(key, Place(self.source, node.start_mark.line + 1))
        if node.id == "mapping" and node.tag == _TAG + "map":
            return self.mapping(node, key)
        if node.id == "sequence" and node.tag == _TAG + "seq":
            return [self.value(item, (*key, i)) for i, item in enumerate(node.value)]
        if node.id == "scalar":
            return self.scalar(node, key)
        self.fail(f"the tag {shown(str(node.tag))} is not allowed here; expected plain data", key, node)

    def mapping(self, node: Node, key: KeyPath) -> Plain:
        result: dict[str | float, object] = {}
        for name, item in node.value:
            if name.tag == _TAG + "merge":
                self.fail("merge keys (<<) are not supported; use `extends:`", key, name)
            word, text = self.key(name, key)
            if word in result:
                first = self.places[(*key, text)].line
                self.fail(f"this key is given twice, first on line {first}", (*key, text), name)
            self.places[(*key, text)] = Place(self.source, name.start_mark.line + 1)
            result[word] = self.value(item, (*key, text))
        return cast(Plain, result)  # keys are texts unless numbers are allowed

    def key(self, node: Node, key: KeyPath) -> tuple[str | float, str]:
        """A key as it is kept, and as it stands in key paths."""
        kinds = ("str", "int", "float") if self.number_keys else ("str",)
        if node.id != "scalar" or str(node.tag).removeprefix(_TAG) not in kinds:
            self.fail(f"expected text as a key, not {shown(node.value)}", key, node)
        word = self.scalar(node, key)
        assert word is not None
        return word, str(word)

    def scalar(self, node: Node, key: KeyPath) -> str | float | None:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return self.text(node, key)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return node.value.lower() in ("true", "yes", "on", "y")
                case "int" if len(node.value) <= 40:
                    digits = node.value.replace("_", "")
                    return int(digits, 0 if "0x" in digits or "0o" in digits or "0b" in digits else 10)
                case "float" if len(node.value) <= 400:
                    return float(node.value.replace("_", "").replace(".inf", "inf").lower().replace(".nan", "nan"))
        except ValueError:
            pass
        if kind in ("int", "float"):
            self.fail(f"expected a number, not {shown(node.value)}", key, node)
        self.fail(f"the tag {shown(str(node.tag))} is not allowed here; expected plain data", key, node)

    def text(self, node: Node, key: KeyPath) -> str:
        self.characters += len(node.value)
        if self.characters > MAX_CHARACTERS:
            self.fail(
                f"holds more than {MAX_CHARACTERS >> 20} MiB of text once its aliases are written out", key[:3], node
            )
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            self.fail("holds half of a surrogate pair, which is not valid text", key, node)
        return str(node.value)


def write(value: Mapping[str, object], indent: str = "") -> str:
    """YAML text that `parse` reads back to an equal mapping: blocks outside, one line for what holds no others."""
    lines = []
    for key, item in value.items():
        head = f"{indent}{_scalar(key)}:"
        if _is_leaf(item):
            lines.append(f"{head} {_flow(item)}\n")
        elif isinstance(item, dict):
            lines.append(f"{head}\n{write(item, indent + '  ')}")
        elif isinstance(item, list):
            lines.append(f"{head}\n" + "".join(f"{indent}  - {_flow(each)}\n" for each in item))
    return "".join(lines) or f"{indent}{{}}\n"


def _is_leaf(value: object) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not any(isinstance(item, dict | list) for item in inner)


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "." + repr(value) if value != -math.inf else "-.inf"
    if not isinstance(value, str):
        return "null" if value is None else repr(value).lower()
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped) + '"'


def at(problems: Sequence[Problem], prefix: KeyPath) -> list[Problem]:
    """The same problems, as seen from `prefix` further out."""
    return [Problem(problem.message, (*prefix, *problem.key), problem.place) for problem in problems]
