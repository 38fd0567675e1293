"""Bytes to JSON values: whatever the layout and however the stream is cut, every value comes out once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.reading import sources, splitting
from scopedrift.simulator.records.reading.origin import value_at
from scopedrift.simulator.records.reading.sources import Source
from scopedrift.simulator.records.reading.splitting import complete, find_end, values

SCALAR = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\{}[],: \né'), max_size=8)
OBJECT = st.dictionaries(
    st.text(st.sampled_from('ab"]}'), max_size=3), st.lists(SCALAR, max_size=3) | SCALAR, max_size=4
)


def written(folder, content: bytes):
    path = folder / "log.json"
    path.write_bytes(content)
    return path


@settings(max_examples=80)
@given(items=st.lists(OBJECT.filter(bool), min_size=1, max_size=8), indent=st.sampled_from([None, 1]), data=st.data())
def test_concatenated_values_come_out_once_and_are_found_again(tmp_path_factory, items, indent, data):
    between = data.draw(st.sampled_from(["\n", "\n\n", "\r\n", " \n"]))
    path = written(tmp_path_factory.mktemp("split"), between.join(json.dumps(i, indent=indent) for i in items).encode())
    found = list(values(Source(path)))
    assert [json.loads(raw) for _, _, raw, problem in found if problem is None] == items
    for (offset, *_), item in zip(found, items, strict=True):
        assert json.loads(value_at(path, offset)) == item


@settings(max_examples=80)
@given(items=st.lists(OBJECT.filter(bool), min_size=3, max_size=12), piece=st.integers(1, 40), wrapped=st.booleans())
def test_a_document_beyond_the_limit_streams_in_pieces_of_any_size(tmp_path_factory, items, piece, wrapped):
    text = json.dumps({"Records": items, "next": {"a": [1]}} if wrapped else items)
    path = written(tmp_path_factory.mktemp("split"), text.encode())
    limits = {name: getattr(module, name) for module in (sources, splitting) for name in ("LIMIT", "PIECE")}
    longest = max(map(len, ('{"Records": [', *map(json.dumps, items))))  # what opens a wrapper is in memory at once
    try:
        for module in (sources, splitting):
            module.LIMIT, module.PIECE = longest + piece, piece
        found = list(values(Source(path)))
    finally:
        for module in (sources, splitting):
            module.LIMIT, module.PIECE = limits["LIMIT"], limits["PIECE"]
    whole = [json.loads(raw) for _, _, raw, problem in found if problem is None]
    assert whole in ([items], items, [json.loads(text)], [[item] for item in items])


@settings(max_examples=80)
@given(lengths=st.lists(st.integers(0, 90), min_size=1, max_size=12), ends=st.booleans())
def test_lines_come_out_once_however_the_stream_is_cut(tmp_path_factory, lengths, ends):
    lines = [b'{"a": 1}', *(b'{"a": "%s"}' % (b"x" * size) if size else b"" for size in lengths), b'{"b": 2}']
    path = written(tmp_path_factory.mktemp("split"), b"\n".join(lines) + b"\n" * ends)
    limits = sources.PIECE, splitting.LIMIT
    try:
        sources.PIECE, splitting.LIMIT = 32, 70
        found = list(values(Source(path)))
    finally:
        sources.PIECE, splitting.LIMIT = limits
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    expected = [(at, number + 1, line) for number, (at, line) in enumerate(zip(starts, lines, strict=True)) if line]
    assert [(at, number) for at, number, *_ in found] == [each[:2] for each in expected]
    for (*_, raw, problem), (*_, line) in zip(found, expected, strict=True):
        assert (raw, problem) == (line, None) or (problem == splitting.TOO_LONG and len(line) > 60)


@settings(max_examples=100)
@given(OBJECT, st.text(max_size=5))
def test_the_end_of_a_value_is_where_it_ends(value, rest):
    raw = json.dumps(value).encode()
    assert find_end(raw + rest.encode("utf-8", "replace")) == len(raw)
    assert find_end(raw[:-1]) == -1
    assert complete(raw) and not complete(raw[:-1])


def test_a_log_that_was_emptied_while_it_was_written_begins_with_padding(tmp_path):
    path = written(tmp_path, b"\0" * 5_000 + b'{"a": 1}\n{"a": 2}\n')
    found = list(values(Source(path)))
    assert [json.loads(raw) for _, _, raw, _ in found] == [{"a": 1}, {"a": 2}]
    assert [json.loads(value_at(path, offset)) for offset, *_ in found] == [{"a": 1}, {"a": 2}]


def test_nul_bytes_inside_cost_their_line(tmp_path):
    path = written(tmp_path, b'{"a": 1}\n{"a": "\0"}\n\0\0\n{"a": 2}\n')
    raws = [raw for _, _, raw, _ in values(Source(path))]
    assert raws == [b'{"a": 1}', b'{"a": "\0"}', b"\0\0", b'{"a": 2}']


def test_what_is_no_text_is_said(tmp_path):
    for content in (b"\0" * 10, b"\x7fELF\0\0", b"PK\3\4\0\0", '{"a": 1}'.encode("utf-16-be"), b"\0\1\2"):
        source = Source(written(tmp_path, content))
        assert list(values(source)) == []
        assert "not text" in source.problem or "UTF-16" in source.problem


def test_a_first_record_without_an_end_costs_only_itself(tmp_path):
    path = written(tmp_path, b'{"a":\n{"a": 1}\n{"b":\n')
    found = list(values(Source(path)))
    assert [(raw, problem) for _, _, raw, problem in found][1] == (b'{"a": 1}', None)
    assert [problem for *_, problem in found] == [splitting.NOT_JSON, None, splitting.CUT_OFF]


@pytest.mark.parametrize("between", [",", " ,\n  "])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n "])
def test_delivered_records_come_one_by_one_from_where_they_are(tmp_path, before, between):
    items = [{"eventName": "A", "n": i, "s": "}, {é"} for i in range(5)] + [[1], 7, "x", {}]
    text = before + '{"Records": [' + between.join(json.dumps(i, ensure_ascii=False) for i in items) + ' ], "a": 1}\n'
    path = written(tmp_path, text.encode())
    found = list(values(Source(path)))
    assert [json.loads(raw) for _, _, raw, _ in found] == items
    assert all(path.read_bytes()[offset:].startswith(raw) for offset, _, raw, _ in found)


def test_delivered_files_one_after_the_other_lose_no_record(tmp_path):
    text = "\n".join(json.dumps({"Records": [{"eventName": "A", "n": i}] * 3}) for i in range(4))
    found = [json.loads(raw) for _, _, raw, problem in values(Source(written(tmp_path, text.encode()))) if not problem]
    assert found == [{"Records": [{"eventName": "A", "n": i}] * 3} for i in range(4)]


def test_of_a_delivered_file_that_is_cut_off_what_is_whole_is_read(tmp_path):
    text = json.dumps({"Records": [{"eventName": "A", "n": i} for i in range(4)]})[:-10]
    found = list(values(Source(written(tmp_path, text.encode()))))
    assert [json.loads(raw)["n"] for _, _, raw, problem in found if problem is None] == [0, 1, 2]
    assert found[-1][3] is not None
