"""Files as streams of bytes, plain and packed, from any position."""

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.reading import sources
from scopedrift.simulator.records.reading.sources import Source, find_files


@settings(max_examples=60)
@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    packed=st.booleans(),
    start=st.integers(0, 400),
    piece=st.integers(1, 64),
)
def test_the_content_from_any_position(tmp_path_factory, parts, packed, start, piece):
    content = b"".join(parts)
    path = tmp_path_factory.mktemp("read") / "log"
    path.write_bytes(b"".join(map(gzip.compress, parts)) if packed else b"-" + content)
    content = content if packed else b"-" + content
    whole, sources.PIECE = sources.PIECE, piece
    try:
        source = Source(path)
        pieces = list(source.pieces(start))
    finally:
        sources.PIECE = whole
    assert b"".join(pieces) == content[start:]
    assert source.problem is None


@settings(max_examples=60)
@given(content=st.binary(min_size=1, max_size=400), data=st.data())
def test_a_cut_gzip_gives_a_beginning_and_says_so(tmp_path_factory, content, data):
    packed = gzip.compress(content)
    path = tmp_path_factory.mktemp("read") / "log"
    path.write_bytes(packed[: data.draw(st.integers(2, len(packed) - 1))])
    source = Source(path)
    assert content.startswith(b"".join(source.pieces()))
    assert "gzip" in source.problem


def test_progress_counts_the_bytes_on_disk(tmp_path):
    (tmp_path / "log").write_bytes(gzip.compress(b"x" * 100_000))
    seen = []
    list(Source(tmp_path / "log", seen.append).pieces())
    assert sum(seen) == (tmp_path / "log").stat().st_size


def test_files_in_order_of_name_hidden_ones_and_others_left_out(tmp_path):
    for name in ("b/2.json", "b/1.JSONL", "a.log.gz", ".hidden.json", "notes.md", "c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, ignored, unreadable = find_files([tmp_path])
    assert [str(file.relative_to(tmp_path)) for file in found] == ["a.log.gz", "c.csv", "b/1.JSONL", "b/2.json"]
    assert (ignored, unreadable) == (1, [])
    assert find_files([tmp_path / "notes.md"]) == ([tmp_path / "notes.md"], 0, [])


def test_a_file_that_goes_away_is_a_problem_of_its_own(tmp_path):
    source = Source(tmp_path / "gone.json")
    assert list(source.pieces()) == []
    assert "No such file" in source.problem
