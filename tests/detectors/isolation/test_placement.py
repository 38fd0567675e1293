"""How a specification is told to the process that a detector runs in, whose working folder is another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopedrift.detectors.isolation.placement import source_of


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("program(command=sh score.sh, timeout=30)", "score.sh"),
        ("program(command=./score.sh)", "score.sh"),
        ("sigma(rules=./rules)", "rules"),
        ("own.py:Own(depth=3)", "own.py"),
    ],
)
def test_files_are_named_in_full_and_may_be_read(tmp_path, monkeypatch, spec, named):
    monkeypatch.chdir(tmp_path)
    Path("score.sh").touch()
    Path("own.py").touch()
    Path("rules").mkdir()
    source, readable, _ = source_of(spec)
    assert str(tmp_path / named) in source.spec
    assert str(tmp_path / named) in readable


def test_a_plain_word_is_no_file_even_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sh").touch()
    source, readable, _ = source_of("program(command=sh -c cat)")
    assert (source.spec, readable) == ("program(command=sh -c cat)", [])
