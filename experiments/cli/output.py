"""Output of commands: tables and JSON to stdout, progress and remarks to stderr.

A terminal gets colours, boxes and a progress bar; anything else gets plain aligned lines.  Names come from
untrusted logs, so control characters are escaped and nothing is read as markup.  What other code says on stderr, in
log lines, warnings and tracebacks, is escaped too (`inert_stderr`).
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import sys
import textwrap
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from scopedrift.experiments.interrupts import heed
from scopedrift.experiments.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

_PAUSE_S: Final = 5.0
"""Minimum seconds between progress lines when stderr is no terminal."""
_UNSEEN: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters that JSON may hold as they are, and that a terminal does not show."""


def printable(text: object) -> str:
    """The text on one line, with control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def printable_lines(text: str) -> str:
    """The text with its line breaks, and other control characters escaped."""
    return "\n".join(map(printable, text.split("\n")))


def say(text: str) -> None:
    """Lines on stdout."""
    print(printable_lines(text))


class _Inert(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


@contextmanager
def inert_stderr() -> Iterator[None]:
    """Escapes control characters of log lines, warnings and tracebacks while the block runs."""
    last = logging.lastResort
    if last is not None:
        last.setFormatter(_Inert())
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where: remark(f"warning: {message}")
            yield
    except BrokenPipeError:
        raise
    except Exception:
        print(printable_lines(traceback.format_exc()), file=sys.stderr)
        sys.exit(1)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """A table on stdout; the columns named in `right` are aligned to the right."""
    title, columns, right = printable(title), list(map(printable, columns)), list(map(printable, right))
    texts = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_box(title, columns, texts, right)
        return
    widths = [max(len(column), *(len(row[i]) for row in texts), 0) for i, column in enumerate(columns)]
    for row in [list(columns), *texts]:
        cells = zip(row, columns, widths, strict=True)
        print("  ".join(f"{c:>{w}}" if name in right else f"{c:<{w}}" for c, name, w in cells).rstrip())


def _print_box(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        number = column in right
        table.add_column(column, justify="right" if number else "left", no_wrap=number or i == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_paragraph(text: str) -> None:
    """A sentence or more on stdout, after an empty line; wrapped on a terminal."""
    print()
    width = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 0
    print(textwrap.fill(printable(text), width) if width else printable(text))


def print_json(value: object) -> None:
    """One JSON document on stdout; NaN and infinities become null."""
    everything = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(plain(value), indent=2, ensure_ascii=not everything, default=str)
    print("\n".join(_UNSEEN.sub(lambda c: json.dumps(c[0])[1:-1], line) for line in text.split("\n")))


def plain(value: object) -> object:
    """The value as JSON holds it: texts as keys, lists for sets and tuples, None for what is no finite number."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value)]
    if callable(item := getattr(value, "item", None)):  # a NumPy scalar
        value = item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date):  # times, those of pandas included
        return value.isoformat() if value == value else None
    return value


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a pandas table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def remark(text: str) -> None:
    """A line on stderr."""
    print(printable(text), file=sys.stderr)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Shows the progress of the block: a bar on a terminal, else a line now and then.

    Each step raises `Terminated` if a signal has come and was lost.
    """
    with _bar(title) if sys.stderr.isatty() else _lines(title) as show:

        def step(done: float, what: str) -> None:
            heed()
            show(done, what)

        yield step


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    spoken = time.monotonic()

    def speak(done: float, what: str) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= _PAUSE_S:
            spoken = time.monotonic()
            remark(f"{title}: {100 * done:3.0f} %  {what}")

    yield speak


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.fields[title]}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=1.0, title=printable(title), what="")

        def show(done: float, what: str) -> None:
            shown.update(task, completed=done, what=printable(what))

        yield show
