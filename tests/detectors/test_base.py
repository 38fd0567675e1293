"""The contract's own types: parameters with ranges, and knowledge that is limited to what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from scopedrift.detectors import Detector, Knowledge, param
from scopedrift.detectors.base import SearchRange
from scopedrift.detectors.conformance.sample import sample_knowledge
from scopedrift.detectors.knowledge import KINDS
from scopedrift.simulator.world.policy import Deployment


@dataclass
class Tuned(Detector):
    """Has parameters."""

    weight: float = param(2.0, 0.1, 10.0, log=True, doc="a weight")
    mode: str = param("fast")

    def __post_init__(self) -> None:
        self._private = 1


class Plain(Detector):
    """Has none."""


def test_fields_are_parameters_with_a_range_and_a_meaning() -> None:
    weight, mode = fields(Tuned)
    assert weight.metadata == {"range": SearchRange(0.1, 10.0, log=True), "doc": "a weight"}
    assert mode.metadata["range"] is None
    assert Tuned(weight=3.0).parameters() == {"weight": 3.0, "mode": "fast"}


def test_a_detector_without_parameters_needs_no_dataclass(build) -> None:
    plain, batch = Plain(), build([{"at": 0}]).batch(0, 1)
    assert plain.parameters() == {}
    plain.fit(batch, Knowledge())  # nothing to learn is fine
    assert plain.explain(batch, 0) == ""
    with pytest.raises(NotImplementedError):
        plain.score(batch)


@pytest.mark.parametrize("kind", KINDS)
def test_knowledge_holds_what_was_asked_for_and_nothing_else(kind: str) -> None:
    whole = sample_knowledge()
    deployment = Deployment(whole.policy, whole.inventory, whole.calendar, whole.task_tools)
    fields_of = {"policy": "policy", "inventory": "inventory", "calendar": "calendar", "task_context": "task_tools"}
    known = Knowledge.of(deployment, [kind], seed=7)
    assert known.seed == 7
    for name, field in fields_of.items():
        assert (getattr(known, field) is not None) == (name == kind)
    assert getattr(known, fields_of[kind]) == getattr(whole, fields_of[kind])
    assert whole.limited(frozenset({kind})) == Knowledge.of(deployment, [kind])


def test_unknown_knowledge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown knowledge \['labels'\]: expected some of policy, inventory"):
        Knowledge.of(Deployment(), ["policy", "labels"])
