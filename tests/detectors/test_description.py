"""What is said of a detector class: summary, knowledge and parameters, taken from the class itself."""

from __future__ import annotations

import pytest

from scopedrift.detectors import Detector
from scopedrift.detectors.base import SearchRange
from scopedrift.detectors.description import DetectorInfo, describe
from scopedrift.detectors.loading import available, find, load
from scopedrift.detectors.registry import BUILTIN, REFERENCES, reference


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_name_loads_and_says_what_it_is(name: str) -> None:
    detector, info = load(name), available()[name]
    assert detector.name == info.name == name
    assert info.summary.endswith(".") and len(info.summary) < 110
    assert info.reference == (name in REFERENCES)
    assert all(parameter.doc for parameter in info.parameters)
    assert {p.name: p.default for p in info.parameters} == detector.parameters()


@pytest.mark.parametrize("name", BUILTIN)
def test_defaults_lie_within_their_ranges(name: str) -> None:
    for parameter in describe(find(name)).parameters:
        if parameter.range is not None:
            assert parameter.range.low <= parameter.default <= parameter.range.high
            assert parameter.range.low > 0 or not parameter.range.log


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_one_whatever_its_parameters(name: str) -> None:
    assert describe(find(name), name).reference
    assert reference(f"{name}(interval=12)") == reference(name) == REFERENCES[name]
    assert not reference(f"first-seen(memory={name})")


def test_descriptions_come_from_the_class() -> None:
    class Mine(Detector):
        """Looks for something.

        In some way.
        """

        needs = frozenset({"policy"})

    assert describe(Mine) == DetectorInfo("Mine", "Looks for something.", frozenset({"policy"}), False, ())
    (window, *_), span = describe(find("chain-correlation")).parameters, SearchRange(5.0, 1440.0, True)
    assert (window.name, window.type, window.default, window.range) == ("window", "float", 60.0, span)
