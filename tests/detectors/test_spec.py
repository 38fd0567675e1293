"""The text that asks for a detector: a target and parameters, and every refusal in words."""

from __future__ import annotations

import pytest

from scopedrift.detectors.spec import parse


@pytest.mark.parametrize(
    ("spec", "target", "given"),
    [
        ("first-seen", "first-seen", {}),
        (" first-seen ( ) ", "first-seen", {}),
        ("a(x=1, y=-2.5e3)", "a", {"x": 1, "y": -2500.0}),
        ("a(x=true, y=None, z=False)", "a", {"x": True, "y": None, "z": False}),
        ("a(detector=first-seen + rate)", "a", {"detector": "first-seen + rate"}),
        ("a(x='with, comma', y=[1, 2], z={'k': (3, 4)})", "a", {"x": "with, comma", "y": [1, 2], "z": {"k": (3, 4)}}),
        ("./dir/one.py:One(weight=2)", "./dir/one.py:One", {"weight": 2}),
        ("a(detector=rate(volume=2))", "a", {"detector": "rate(volume=2)"}),
    ],
)
def test_parameters_are_literals_or_plain_text(spec: str, target: str, given: dict[str, object]) -> None:
    assert parse(spec) == (target, given)
