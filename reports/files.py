"""Tables as files: CSV of the inputs, Markdown and LaTeX of tables for papers."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from scopedrift.reports.text import clean, short, slug

log = logging.getLogger("scopedrift")
_FORMULA: Final = re.compile(
    "[=+@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}\N{FULLWIDTH HYPHEN-MINUS}-]"
)
"""What begins a text that a spreadsheet runs as a formula."""
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{EN DASH}": "--",
    "\N{MINUS SIGN}": "$-$",
    "∞": r"$\infty$",
    "…": r"\dots{}",
}
LATEX |= {c: f"\\{c}" for c in "&%$#_{}"} | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}


def write_text(path: Path, text: str) -> Path:
    """Write a file of a result, whose folder appears as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return path


def write_page(path: Path, make: Callable[[], str]) -> Path:
    """Write a page; if making it raises, a log line and the file itself say why, and what lies beside it stays."""
    try:
        text = make()
    except Exception as error:
        reason = short(f"{type(error).__name__}: {error}", 300)
        log.warning("%s could not be made: %s", path.name, reason)
        text = html.escape(f"This page could not be made: {reason}. The tables beside it hold all results.\n")
    return write_text(path, text)


def csv_text(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV; texts that a spreadsheet would run get an apostrophe in front, numbers stay as they are."""
    safe = frame.rename(columns=_inert)
    for at in range(len(safe.columns)):
        column = safe.iloc[:, at]
        if not pd.api.types.is_numeric_dtype(column) and any(map(_runs, column)):
            safe.isetitem(at, column.astype(object).map(_inert).to_numpy())
    return safe.to_csv(index=False, float_format=float_format)


def _runs(value: object) -> bool:
    return isinstance(value, str) and _FORMULA.match(value) is not None


def _inert(value: object) -> object:
    return f"'{value}" if _runs(value) else value


def write_inputs(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[str]:
    """Write each table as `<name>.csv`; return the file names."""
    names = []
    for name, frame in tables.items():
        write_text(folder / f"{slug(name)}.csv", csv_text(frame))
        names.append(f"{slug(name)}.csv")
    return names


def write_quotable(frames: Mapping[str, tuple[str, pd.DataFrame]], folder: Path) -> list[str]:
    """Write each (title, table) as CSV, Markdown and LaTeX; return the file names."""
    names = []
    for name, (title, frame) in frames.items():
        for ending, text in (
            ("csv", csv_text(frame)),
            ("md", markdown(frame, title)),
            ("tex", latex(frame, title, name)),
        ):
            write_text(folder / f"{slug(name)}.{ending}", text)
            names.append(f"{slug(name)}.{ending}")
    return names


def markdown(frame: pd.DataFrame, title: str) -> str:
    """Return a table in Markdown, every name escaped."""
    header = [_markdown(c) for c in frame.columns]
    lines = [f"**{_markdown(title)}**", "", _line(header), _line(["---"] * len(header))]
    lines += [_line([_markdown(v) for v in row]) for row in frame.itertuples(index=False, name=None)]
    return "\n".join(lines) + "\n"


def _line(entries: list[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _markdown(value: object) -> str:
    text = re.sub(r"([\\`*_\[\]|~$!#])", r"\\\1", clean(value))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex(frame: pd.DataFrame, title: str, label: str) -> str:
    """Return a table in LaTeX (package booktabs), every name escaped."""
    body = [" & ".join(_latex(v) for v in row) + r" \\" for row in frame.itertuples(index=False, name=None)]
    head = " & ".join(_latex(c) for c in frame.columns) + r" \\"
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(title)}}}", rf"\label{{tab:{slug(label)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(frame.columns) - 1)}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _latex(value: object) -> str:
    return "".join(LATEX.get(c, c) for c in clean(value))
