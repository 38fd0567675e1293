"""Reading a mapping file (its grammar: `mapping`) and saying what is wrong with it, by file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from scopedrift.scenarios.documents import Document, ScenarioError, parse, read_text, suggestion
from scopedrift.simulator.log.events import COLUMNS, TIMES
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.json_paths import Json, text
from scopedrift.simulator.records.reading.mapping import FIXED, SCALES, Column, Mapped

TOP: Final = ("name", "description", "format", "records", "delimiter", "header", "where", "columns")
COLUMN: Final = ("path", "value", "values", "default")
TIME: Final = ("path", "format")


def load_mapping(path: Path) -> Mapped:
    """Read and check a mapping file.

    Raises `LogError` with file, line and key for one that makes no sense.
    """
    try:
        document = parse(read_text(path, str(path)), str(path), number_keys=True)
        return _mapped(document)
    except ScenarioError as error:
        raise LogError(str(error)) from None


def _mapped(document: Document) -> Mapped:
    value = document.value
    _known(document, (), value, TOP)
    style = _choice(document, ("format",), value.get("format", "json"), ("json", "csv"))
    columns = value.get("columns")
    if not isinstance(columns, dict):
        raise _problem(document, ("columns",), "expected a mapping from our columns to paths in a record")
    _known(document, ("columns",), columns, COLUMNS)
    if "time" not in columns:
        raise _problem(document, ("columns",), "`time` is missing: an event needs one")
    delimiter = value.get("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise _problem(document, ("delimiter",), "expected a single character")
    header = value.get("header", [])
    where = value.get("where", {})
    if not isinstance(where, dict):
        raise _problem(document, ("where",), "expected a mapping from paths to values")
    records = value.get("records")
    return Mapped(
        name=str(value.get("name", "mapped")),
        format=style,
        records=None if records is None else _paths(document, ("records",), records)[0],
        delimiter=delimiter,
        header=_paths(document, ("header",), header) if header else (),
        where={str(k): frozenset(_texts(v)) for k, v in where.items()},
        columns={name: _column(document, name, column) for name, column in columns.items()},
    )


def _column(document: Document, name: str, given: Json) -> Column:
    key = ("columns", name)
    if not isinstance(given, dict):
        given = {"path": given}
    _known(document, key, given, TIME if name in TIMES else COLUMN)
    paths = _paths(document, (*key, "path"), given["path"]) if "path" in given else ()
    value, values, default = given.get("value"), given.get("values"), given.get("default")
    if not paths and value is None:
        raise _problem(document, key, "expected a `path`" + ("" if name in TIMES else " or a `value`"))
    if values is not None and not isinstance(values, dict):
        raise _problem(document, (*key, "values"), "expected a mapping from a record's texts to ours")
    if name in FIXED:
        if values is None and value is None:
            what = f"expected `values` that say which of {', '.join(FIXED[name])} each text of the record means"
            raise _problem(document, key, what)
        for chosen in (value, default, *(values or {}).values()):
            if chosen is not None:
                _choice(document, key, chosen, FIXED[name])
    form = given.get("format", "auto")
    if form not in ("auto", "iso", *SCALES) and "%" not in str(form):
        raise _problem(document, (*key, "format"), f"unknown time format{suggestion(form, ('auto', 'iso', *SCALES))}")
    return Column(
        paths,
        None if value is None else _texts(value)[0],
        None if values is None else {_texts(k)[0]: _texts(v)[0] for k, v in values.items()},
        None if default is None else _texts(default)[0],
        str(form),
    )


def _texts(value: Json) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else text(item) or "" for item in items]


def _paths(document: Document, key: tuple[str, ...], given: Json) -> tuple[str, ...]:
    items = given if isinstance(given, list) else [given]
    if not items or not all(isinstance(item, str) and item for item in items):
        raise _problem(document, key, "expected a path (text such as user.name), or a list of them")
    return tuple(items)


def _choice(document: Document, key: tuple[str, ...], given: Json, choices: tuple[str, ...]) -> str:
    if given not in choices:
        raise _problem(document, key, f"unknown choice {given!r}{suggestion(given, choices)}")
    return str(given)


def _known(document: Document, key: tuple[str, ...], given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise _problem(document, (*key, str(name)), f"unknown key{suggestion(name, known)}")


def _problem(document: Document, key: tuple[str, ...], message: str) -> ScenarioError:
    return ScenarioError(document.problem(message, key))
