"""What the torture shares: three cases of each test run with the slow tests too; `make torture` runs all."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

EACH = 3
"""Cases of each test that run with the slow tests."""
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = ("slow", "torture")
    ours = [item for item in items if HERE in item.path.parents and not any(map(item.get_closest_marker, marked))]
    for _, group in groupby(ours, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        chosen = {round(at * len(cases) / EACH) for at in range(EACH)}
        for at, item in enumerate(cases):
            item.add_marker("slow" if at in chosen else "torture")
