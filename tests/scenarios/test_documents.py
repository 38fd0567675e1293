from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios import load_text
from scopedrift.scenarios.documents import (
    MAX_BYTES,
    Place,
    Problem,
    ScenarioError,
    key_text,
    parse,
    read_text,
    suggestion,
    write,
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text("aeny0.:-# /[]{}!&*'\\n\""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert parse(write(value), "x").value == value


def test_places_are_the_lines_of_keys() -> None:
    document = parse("a: 1\nb:\n  c: [1,\n   2]\n  d: {e: 5}\n", "x")
    lines = {key_text(key): place.line for key, place in document.places.items() if key}
    assert lines == {"a": 1, "b": 2, "b.c": 3, "b.c[0]": 3, "b.c[1]": 4, "b.d": 5, "b.d.e": 5}
    assert document.place(("b", "d", "f", 3)) == Place("x", 5)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a: this key is given twice, first on line 1"),
        ("x: {a: 1,\n    a: 3}\n", 2, "x.a: this key is given twice, first on line 1"),
        ("- a\n- b\n", 1, "expected a mapping"),
        ("just text", 1, "expected a mapping"),
        ("", 1, "expected a mapping"),
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\nb: c: d\n", 2, "not valid YAML"),
        ("a: 1\nb: *missing\n", 2, "not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML: but found another document"),
        ("a: \x00", 1, "not valid YAML"),
        ("a: 1\n1: b\n", 2, "expected text as a key"),
        ("a: 1\n? [b]\n: 2\n", 2, "expected text as a key"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "c: merge keys"),
        ("a: !!int abc\n", 1, "a: expected a number"),
        ("a: " + "9" * 5000, 1, "a: expected a number"),
        ('a: "\\ud800"\n', 1, "surrogate"),
        ("a: !!set {b}\n", 1, "a: the tag 'tag:yaml.org,2002:set' is not allowed"),
        ("a: !!binary aGk=\n", 1, "a: the tag"),
        ("a: !env HOME\n", 1, "a: the tag '!env' is not allowed"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "my.yaml")
    assert str(caught.value).startswith(f"my.yaml:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system",
        "!!python/object/new:os.system",
        "!!python/name:os.system",
        "!!python/module:os",
    ],
)
@pytest.mark.parametrize(
    "text", ["a: {tag} ['touch {file}']", "a: {tag} 'touch {file}'", "a: {tag} {{x: 1}}", "{tag} ['touch {file}']"]
)
def test_python_tags_are_never_executed(tag: str, text: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(ScenarioError):
        parse(text.format(tag=tag, file=canary), "x")
    assert not canary.exists()


def alias_bomb(levels: int) -> str:
    """A text that holds ten to the power of `levels` values."""
    first = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]"
    return "\n".join([first, *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels))])


def test_alias_bombs_are_refused() -> None:
    with pytest.raises(ScenarioError, match="holds more than 100,000 values once its aliases are written out"):
        parse(alias_bomb(12), "x")


def test_what_an_alias_bomb_costs_does_not_grow_with_what_it_holds(
    lines_run: Callable[[Callable[[], object]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scopedrift.scenarios.documents.MAX_NODES", 1_000)

    def cost(levels: int) -> int:
        text = alias_bomb(levels)

        def refused() -> None:
            with pytest.raises(ScenarioError, match="more than 1,000 values"):
                parse(text, "x")

        return lines_run(refused)

    assert cost(12) < 3 * cost(4)  # as the length of the text


def test_aliases_to_one_long_text_are_refused() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [" + "*a, " * 10_000 + "]"
    with pytest.raises(ScenarioError, match="more than 4 MiB of text once its aliases are written out"):
        parse(text, "x")


def test_a_message_names_twenty_problems_and_counts_the_rest() -> None:
    text = "name: x\nextends: core-week\n" + "".join(f"unknown{i}: 1\n" for i in range(3_000))
    with pytest.raises(ScenarioError) as caught:
        load_text(text)
    assert len(str(caught.value).splitlines()) == 21
    assert str(caught.value).endswith("and 2,980 more problems")


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: *a}", "a: " + "[" * 60 + "]" * 60, "a: " + "[" * 90_000, "a: " + "{b: " * 5000]
)
def test_bottomless_nesting_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="deep"):
        parse(text, "x")


def test_a_few_aliases_are_fine() -> None:
    assert parse("a: &a {b: 1}\nc: *a\n", "x").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_words_that_some_readers_take_for_booleans_are_text() -> None:
    assert parse("a: off\nb: no\nc: true\nd: 2026-01-05\n", "x").value == {
        "a": "off",
        "b": "no",
        "c": True,
        "d": "2026-01-05",
    }


def test_large_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ScenarioError, match="larger than 1 MiB"):
        read_text(file, "large.yaml")
    with pytest.raises(ScenarioError, match="larger than 1 MiB"):
        parse("#" * (MAX_BYTES + 1), "large.yaml")
    file.write_bytes(b"#" * MAX_BYTES)
    assert len(read_text(file, "large.yaml")) == MAX_BYTES


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("a: 1\nb: é\n".encode("latin-1"))
    with pytest.raises(ScenarioError, match=r"^latin\.yaml:2: expected UTF-8 text$"):
        read_text(file, "latin.yaml")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert parse(read_text(file, "bom.yaml"), "bom.yaml").value == {"a": 1}


def test_messages_stay_on_one_line_and_short() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse('"a\\nb\\e[31m": 1\n"a\\nb\\e[31m": 2\n', "x")
    assert str(caught.value).isprintable()
    assert len(str(Problem("m", ("k" * 10_000,)))) < 100


def test_suggestions() -> None:
    assert suggestion("trainng", ["training", "inference"]) == "; did you mean 'training'?"
    assert suggestion("zzz", ["training", "inference"]) == "; expected one of: inference, training"


def test_an_error_survives_pickling() -> None:
    error = ScenarioError(Problem("wrong", ("a", 1), Place("f", 3)), Problem("bad"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "f:3: a[1]: wrong\nbad"
