"""Numbers, names and rates as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.reports import text


@pytest.mark.parametrize(
    ("seconds", "short", "words"),
    [
        (0, "0 s", "0 seconds"),
        (0.4, "0.4 s", "0.4 seconds"),
        (59.9, "1 min", "one minute"),
        (2_400, "40 min", "40 minutes"),
        (3_600, "1 h", "one hour"),
        (9_000, "2.5 h", "2.5 hours"),
        (86_400 * 12, "12 d", "12 days"),
    ],
)
def test_duration(seconds: float, short: str, words: str) -> None:
    assert (text.duration(seconds), text.duration_words(seconds)) == (short, words)


def test_missing_duration_is_a_dash() -> None:
    assert text.duration(math.nan) == text.DASH


@pytest.mark.parametrize(
    ("per_day", "words"),
    [
        (1, "one false alarm a day"),
        (2, "two false alarms a day"),
        (48, "48 false alarms a day"),
        (1 / 7, "one false alarm a week"),
        (3 / 7, "three false alarms a week"),
        (0.05, "two false alarms a month"),
        (0, "no false alarms"),
    ],
)
def test_rate_words(per_day: float, words: str) -> None:
    assert text.rate_words(per_day) == words


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0312, "0.031"), (1.5, "1.5"), (1.0, "1"), (898.4, "898"), (12345, "12,345"), (-2, "−2")],  # noqa: RUF001
)
def test_number(value: float, shown: str) -> None:
    assert text.number(value) == shown


def test_a_share_that_is_not_quite_none_or_all_is_not_rounded_to_it() -> None:
    assert [text.percent(x) for x in (0, 0.001, 0.61, 0.999, 1)] == ["0 %", "<1 %", "61 %", ">99 %", "100 %"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("registry-migration", "registry migrations"),
        ("new_policy", "new policies"),
        ("break-glass", "break glass changes"),
    ],
)
def test_plural(kind: str, words: str) -> None:
    assert text.plural(kind) == words


def test_a_long_list_counts_what_it_leaves_out() -> None:
    assert text.listed(["a", "b", "c", "d", "e"]) == "a, b and 3 more"
    assert text.listed(["a", "b"]) == "a and b"


@given(st.text())
def test_clean_text_is_one_printable_line(value: str) -> None:
    cleaned = text.clean(value)
    assert cleaned == text.clean(cleaned)
    assert not any(ord(c) < 32 or 0x202A <= ord(c) <= 0x202E or 0xD800 <= ord(c) <= 0xDFFF for c in cleaned)
    cleaned.encode()


@given(st.text(), st.integers(5, 50))
def test_short_text_fits(value: str, width: int) -> None:
    assert len(text.short(value, width)) <= width


@given(st.text())
def test_slug_is_a_safe_file_name(value: str) -> None:
    name = text.slug(value)
    assert name and len(name) <= 60
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in name)
