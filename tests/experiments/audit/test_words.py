"""Words that everybody uses pass; a single operation of incidents alone is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scopedrift.experiments.audit import Subject, words

Edited = Callable[..., Subject]


def test_words_that_everybody_uses_pass(clean: Subject) -> None:
    row = words.words_are_ordinary(clean)
    assert row.verdict == "pass" and row.seen and row.expected


def test_one_event_with_an_operation_of_incidents_alone_is_caught(clean: Subject, edited: Edited) -> None:
    def plant(columns: dict[str, Any], bad: Any) -> None:
        rare = columns["operation"][bad[0]]
        columns["operation"][columns["operation"] == rare] = (rare + 1) % 2
        columns["operation"][bad[0]] = rare

    row = words.words_are_ordinary(edited(clean, plant))
    assert row.verdict == "fail" and "of 2 worlds" in row.seen


def test_addresses_of_incidents_alone_are_caught(clean: Subject, edited: Edited) -> None:
    def plant(columns: dict[str, Any], bad: Any) -> None:
        others = np.delete(np.arange(len(columns["source"])), bad)
        columns["source"][others] = np.maximum(columns["source"][others], 1)
        columns["source"][bad] = 0

    row = words.words_are_ordinary(edited(clean, plant))
    assert row.verdict == "fail" and "source of 100.0%" in row.seen
