"""What the tests of isolation share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what no detector may see."""
    folder = tmp_path_factory.mktemp("run")
    pq.write_table(pa.table({"label": [3]}), folder / "truth.parquet")
    (folder / "incidents.json").write_text("[1]")
    return folder
