"""Sealed worlds: numbers and a hash are published, and the secret makes the same worlds again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import scopedrift as sd
from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.seal import BITS, Seal
from scopedrift.scenarios.seeds import LAST, range_of
from scopedrift.scenarios.suite import load_suite

SUITE = {"name": "mine", "scenarios": ["tiny"], "seeds": "1000-1001", "detectors": ["rate"]}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(Seal.new().text)
    return path


def test_seeds_follow_from_the_secret_alone(secret: Path) -> None:
    seal = Seal.read(secret)
    seeds = seal.seeds(range(100))
    assert seeds == Seal.read(secret).seeds(range(100)) and len(set(seeds)) == 100
    assert all(1 << BITS <= seed <= LAST and range_of(seed) == "free" for seed in seeds)
    other = Seal.new()
    assert other.hash != seal.hash and not set(other.seeds(range(100))) & set(seeds)


def test_a_new_secret_is_readable_to_its_owner_alone_and_never_overwritten(
    scopedrift: Callable[..., Any], tmp_path: Path
) -> None:
    done = scopedrift("seal", "new", "secret.txt")
    path = tmp_path / "secret.txt"
    assert done.code == 0 and Seal.read(path).hash in done.out
    assert path.stat().st_mode & 0o077 == 0
    before = path.read_bytes()
    again = scopedrift("seal", "new", "secret.txt")
    assert again.code == 2 and "never overwritten" in again.err and path.read_bytes() == before
    (tmp_path / "short.txt").write_text("hunter2\n")
    with pytest.raises(ScenarioError, match="at least 32"):
        Seal.read(tmp_path / "short.txt")


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_results_hold_numbers_and_a_hash_and_no_seed(secret: Path, tmp_path: Path, kind: str) -> None:
    seal = Seal.read(secret)
    if kind == "run":
        made = sd.run("tiny", "rate", seeds=seal.worlds("1000-1001"))
    else:
        made = sd.sweep(load_suite(SUITE).sealed(seal))
    made.save(tmp_path / "found")
    assert made.facts["seal"] == seal.hash and made.facts["worlds"] == "1000 to 1001 (sealed)"
    for table in made.tables.values():
        assert "seed" not in table or set(table["seed"]) <= {1000, 1001}
    for file in (tmp_path / "found").rglob("*"):
        if file.is_file() and file.suffix in (".json", ".html", ".csv", ".md"):
            text = file.read_text()
            assert secret.read_text().strip() not in text, file
            assert not any(str(seed) in text for seed in seal.seeds((1000, 1001))), file
    cells = made.tables["worlds"].set_index("seed")
    assert sd.simulate("tiny", seal.seed(1001)).digest == cells.loc[1001, "digest"]


def test_the_same_worlds_sealed_and_open_give_the_same_figures(secret: Path) -> None:
    seal = Seal.read(secret)
    sealed = sd.run("tiny", "rate", seeds=seal.worlds("7-7")).cells.drop(columns=["seed"])
    opened = sd.run("tiny", "rate", seeds=[seal.seed(7)]).cells.drop(columns=["seed"])
    timed = [name for name in sealed if name.endswith("_seconds")]
    pd.testing.assert_frame_equal(sealed.drop(columns=timed), opened.drop(columns=timed))


def test_the_command_seals_and_reveals(scopedrift, tmp_path: Path) -> None:
    assert scopedrift("seal", "new", "secret.txt").code == 0
    run = ("run", "tiny", "--seeds", "2", "--detector", "rate", "--no-track", "--seal", "secret.txt", "--out", "found")
    done = scopedrift(*run)
    assert done.code == 0 and "worlds: 0 to 1 (sealed)" in done.out, done.err
    revealed = json.loads(scopedrift("seal", "reveal", "secret.txt", "found", "--json").out)
    first = revealed["worlds"][0]
    assert revealed["ok"] and first["digest"] == sd.simulate("tiny", first["seed"]).digest
    scopedrift("seal", "new", "other.txt")
    wrong = scopedrift("seal", "reveal", "other.txt", "found")
    assert wrong.code == 1 and "hash" in wrong.err and not wrong.out
    assert scopedrift("seal", "reveal", "secret.txt", "nowhere").code == 2
    assert scopedrift("run", "tiny", "--seal", "missing.txt", "--no-track").code == 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "[1]"),
        ("run.json", '"x"'),
        ("run.json", "[" * 100_000),
        ("worlds.csv", ""),
        ("worlds.csv", "scenario,seed\ntiny,1\n"),
        ("worlds.csv", "scenario,seed,digest\n"),
        ("worlds.csv", f"scenario,seed,digest\ntiny,abc,{'0' * 64}\n"),
        ("worlds.csv", f"scenario,seed,digest\ntiny,-5,{'0' * 64}\n"),
        ("worlds.csv", f"scenario,seed,digest\ntiny,100.5,{'0' * 64}\n"),
        ("worlds.csv", "scenario,seed,digest\ntiny,1,\n"),
        ("worlds.csv", "scenario,seed,digest\ntiny,1,2,3,4\ntiny\n"),
        ("worlds.csv", "scenario,seed,digest\ntiny,\udcff,1\n"),
    ],
)
def test_what_is_no_result_is_said_in_a_sentence(scopedrift, tmp_path: Path, file: str, content: str) -> None:
    seal = Seal.new()
    (tmp_path / "secret.txt").write_text(seal.text)
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "run.json").write_text(json.dumps({"seal": seal.hash}))
    (tmp_path / "board" / "worlds.csv").write_text(f"scenario,seed,digest\ntiny,1,{'0' * 64}\n")
    assert scopedrift("seal", "reveal", "secret.txt", "board").code == 0
    (tmp_path / "board" / file).write_text(content, errors="surrogateescape")
    done = scopedrift("seal", "reveal", "secret.txt", "board")
    assert done.code == 2 and "expected" in done.err and "Traceback" not in done.err and not done.out
