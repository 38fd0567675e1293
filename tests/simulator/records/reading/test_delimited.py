"""CSV rows as JSON records: none lost, each found again by its place."""

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.reading.delimited import Delimited
from scopedrift.simulator.records.reading.sources import Source

CELL = st.text(st.sampled_from("ab;,\"'\n\té€ "), max_size=6)


@settings(max_examples=60)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_was_written_is_read_and_found_again(tmp_path_factory, rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["one", "two"], *rows])
    path = tmp_path_factory.mktemp("csv") / "log.csv"
    path.write_bytes(text.getvalue().encode())
    layout = Delimited(delimiter)
    found = list(layout.values(Source(path)))
    assert [json.loads(raw) for _, _, raw, _ in found] == [{"one": a, "two": b} for a, b in rows]
    assert [problem for *_, problem in found] == [None] * len(rows)
    assert [json.loads(layout.value_at(path, offset)) for offset, *_ in found] == [
        {"one": a, "two": b} for a, b in rows
    ]


def test_a_byte_order_mark_and_bytes_that_are_not_utf_8(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbfone,two\ncaf\xe9,x\n")
    ((offset, line, raw, problem),) = Delimited().values(Source(tmp_path / "log.csv"))
    assert json.loads(raw) == {"one": "caf\ufffd", "two": "x"}
    assert (offset, line, problem) == (11, 2, None)


def test_a_field_longer_than_csv_allows_costs_one_row(tmp_path):
    (tmp_path / "log.csv").write_text("one,two\n" + "x" * 200_000 + ",y\na,b\n")
    first, second = Delimited().values(Source(tmp_path / "log.csv"))
    assert "field larger than field limit" in first[3]
    assert json.loads(second[2]) == {"one": "a", "two": "b"}
