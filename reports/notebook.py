"""How a notebook shows a result: words and tables as an HTML fragment, with everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20
"""Maximum rows of a table to show; the others are counted."""


def fragment(words: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> str:
    """Paragraphs, then each table that has rows under its title (none if that is empty); times to the second, UTC."""
    parts = [Markup("<p>{}</p>").format(text) for text in words]
    for title, table in tables.items():
        if not len(table):
            continue
        parts.append(Markup("<p><strong>{}</strong></p>").format(title) if title else Markup())
        shown = table.head(MOST_ROWS).copy()
        for column in shown.select_dtypes("datetimetz").columns:
            shown[column] = shown[column].dt.strftime("%Y-%m-%d %H:%M:%S")
        parts.append(Markup(shown.to_html(index=False, border=0, escape=True, na_rep="")))
        if (more := len(table) - MOST_ROWS) > 0:
            parts.append(Markup("<p>and {} more rows</p>").format(f"{more:,}"))
    return str(Markup("\n").join(parts))
