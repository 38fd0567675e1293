"""Writes the committed pages that are made from the code: `make pages`.  Tests fail while one of them is stale."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from scopedrift.experiments.realism import page
from scopedrift.scenarios import coverage

DOCS: Final = Path(__file__).parent
TARGETS: Final = re.compile(r"^\| statistic \|.*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
"""The table of targets within the page on realism."""


def main() -> None:
    """Bring every generated page up to date."""
    (DOCS / "coverage.md").write_text(coverage.markdown(), encoding="utf-8")
    realism = DOCS / "realism.md"
    text, found = TARGETS.subn(lambda _: page.table(), realism.read_text(encoding="utf-8").rstrip())
    assert found == 1, f"{realism}: expected one table of targets, found {found}"
    realism.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
