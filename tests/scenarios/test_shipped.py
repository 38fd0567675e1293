"""The package's own files, read by libyaml, hold what any reader of YAML 1.2 finds in them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from scopedrift.scenarios import shipped
from scopedrift.scenarios.documents import ScenarioError, parse, read_text
from scopedrift.scenarios.shipped import read_shipped

Written = Callable[[str], Path]
TEXTS = {
    "words": "a: [yes, no, on, off, y, true, False, NULL, ~, null, 'true', \"null\"]\nb:\n",
    "numbers": "a: [1, 0x1f, 0o17, 017, 1_000, +1, -1, 1:30, 12:30:00]\n1.5: key\n2: key\n",
    "decimals": "a: [1.5, 1e3, .5, -.inf, 1., 1_0.5, 2026-01-05, 5m, 1.2.3, 20/day]\n",
    "blocks": "a: >\n  folded\n  text\nb: |\n  kept\n  lines\nc:\n- 1\n- - 2\n  - 3\nd: {x: &x [1, 2], y: *x}\n",
}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def made(text: str) -> Path:
        (tmp_path / "file.yaml").write_text(text, "utf-8")
        return tmp_path / "file.yaml"

    return made


def same(file: Path) -> None:
    text = read_text(file, "f")
    assert shipped._composed(text) is not None, f"libyaml refuses {file}"
    expected, found = parse(text, "f", number_keys=True), read_shipped(file, "f")
    assert repr(found.value) == repr(expected.value)  # as text, since 1 equals 1.0 and true
    assert found.places == expected.places


@pytest.mark.parametrize("room", ["scenarios", "simulator"])
def test_every_file_holds_the_same_at_the_same_places(room: str) -> None:
    found = sorted(Path(str(files(f"scopedrift.{room}"))).rglob("*.yaml"))
    assert found
    for file in found:
        same(file)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_mean_what_they_mean_in_other_files(written: Written, text: str) -> None:
    same(written(text))


WRONG = ["a: [1\n", "a: =\n", "a: 1\na: 2\n", "- 1\n", "", "a: !!python/name:os.system x\n", "<<: {}\n"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_as_of_other_files(written: Written, text: str) -> None:
    with pytest.raises(ScenarioError) as expected:
        parse(text, "f", number_keys=True)
    with pytest.raises(ScenarioError) as found:
        read_shipped(written(text), "f")
    assert str(found.value) == str(expected.value)


def test_libyaml_is_not_needed(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_composer", lambda: None)
    assert read_shipped(written("a: yes\n1: 0o17\n"), "f").value == {"a": "yes", 1: 15}
