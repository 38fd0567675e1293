"""Numbers and names as people read them.

All text on a page passes through here: names lose control characters (which break XML or reorder a line), numbers
get a sensible number of digits, durations a unit. A missing number (NaN) is an en dash, never a zero. Durations are
seconds, rates are per day.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

DASH = "\N{EN DASH}"
SMALL_NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
AROUND = ("before", "during", "after")
"""Causes of false alarms that begin with these words are times relative to an incident."""
UNITS = (("day", "d", 86_400.0), ("hour", "h", 3_600.0), ("minute", "min", 60.0), ("second", "s", 1.0))


def clean(value: object) -> str:
    """Return `value` as one line of text without control, bidirectional or surrogate characters; missing is ""."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    out = []
    for character in str(value):
        if character.isspace():
            out.append(" ")
        else:
            out.append("\N{REPLACEMENT CHARACTER}" if _hidden(character) else character)
    return re.sub(" +", " ", "".join(out)).strip()


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn") and character not in "\u200c\u200d"


def slug(value: object) -> str:
    """Return a file name that is safe on every system; never empty, at most 60 characters."""
    plain = unicodedata.normalize("NFKD", clean(value)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60].strip("-") or "unnamed"


def short(value: object, width: int = 36) -> str:
    """Return `value` cut in its middle to `width` characters: both ends of a resource name carry information."""
    text = clean(value)
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def number(value: float, digits: int = 2) -> str:
    """Return `value` with `digits` significant digits below 100 and thousands separators above."""
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    decimals = max(0, digits - 1 - magnitude)
    text = f"{round(value, decimals):,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")


def percent(value: float) -> str:
    """Return a share as a percentage; a share that is not quite 0 or 1 is never rounded to it."""
    if math.isnan(value):
        return DASH
    rounded = round(100 * value)
    if rounded == 0 and value > 0:
        return "<1 %"
    if rounded == 100 and value < 1:
        return ">99 %"
    return f"{rounded} %"


def duration(seconds: float) -> str:
    """Return a duration for a table or an axis: `40 min`, `2.5 h`, `3 d`."""
    amount, _, unit = _in_unit(seconds)
    return DASH if math.isnan(seconds) else f"{amount} {unit}"


def duration_words(seconds: float) -> str:
    """Return a duration for a sentence: `40 minutes`, `one hour`, `2.5 days`."""
    amount, word, _ = _in_unit(seconds)
    return f"one {word}" if amount == "1" else f"{amount} {word}s"


def _in_unit(seconds: float) -> tuple[str, str, str]:
    for word, unit, size in UNITS:
        if seconds >= (1.0 if size == 1.0 else 0.995 * size):
            value = seconds / size
            return (f"{value:.0f}" if value >= 10 else number(value, 2)), word, unit
    return (number(seconds, 2) if seconds > 0 else "0"), "second", "s"


def count_words(count: int) -> str:
    """Return a count for a sentence: words up to twelve, then digits."""
    return SMALL_NUMBERS[count] if 0 <= count < len(SMALL_NUMBERS) else f"{count:,}"


def rate_words(per_day: float) -> str:
    """Return a rate for a sentence in a suitable unit: `one false alarm a day`, `three false alarms a week`."""
    for factor, unit in ((1.0, "day"), (7.0, "week"), (30.0, "month")):
        amount = per_day * factor
        if amount >= 0.995 and (abs(amount - round(amount)) < 0.005 or unit == "month"):
            whole = round(amount)
            return f"{count_words(whole)} false alarm{'' if whole == 1 else 's'} a {unit}"
    return f"{number(per_day)} false alarms a day" if per_day > 0 else "no false alarms"


def plural(kind: str) -> str:
    """Return an identifier such as `registry-migration` as words in the plural: `registry migrations`."""
    words = clean(kind).replace("-", " ").replace("_", " ")
    if words.endswith("ss"):
        return f"{words} changes"
    if words.endswith("s"):
        return words
    if re.search("[^aeiou]y$", words):
        return f"{words[:-1]}ies"
    return f"{words}es" if re.search("(x|ch|sh)$", words) else f"{words}s"


def cause_words(cause: str) -> str:
    """Return the cause of a false alarm as words: `ordinary work`, `registry migrations`, `before incident`."""
    if cause in ("", "baseline"):
        return "ordinary work" if cause else "unknown causes"
    return cause if cause.startswith(AROUND) else plural(cause)


def listed(items: list[str], limit: int = 3) -> str:
    """Return `a, b and c`; beyond `limit` items, count the rest."""
    if len(items) > limit:
        items = [*items[: limit - 1], f"{len(items) - limit + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def capital(sentence: str) -> str:
    """Return `sentence` with its first letter in upper case and the rest unchanged."""
    return sentence[:1].upper() + sentence[1:]


def fact_texts(facts: Mapping[str, object]) -> dict[str, str]:
    """The facts of a run as a report shows them: names with spaces, lists joined by commas."""
    titles = {"version": "scopedrift", "alert_budget_per_day": "alert budget a day"}
    texts = {name: ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact) for name, fact in facts.items()}
    return {titles.get(name, name.replace("_", " ")): text for name, text in texts.items()}
