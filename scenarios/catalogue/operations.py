"""Audit operations: what one API call looks like in the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from scopedrift.scenarios.catalogue.entry import ActivitySpec, Distribution, Entry
from scopedrift.scenarios.fields import Count, Flag, Share, Text


class Operation(Entry):
    """One kind of API call."""

    stream: Literal["cloud_audit", "kubernetes_audit", "runtime", "issuance", "agent"]
    """The telemetry that sees it."""
    service: Text
    operation: Text
    access: Literal["read", "write", "create", "delete", "auth", "admin"]
    slot: Text
    """Which of the caller's pools its resource is picked from."""
    pick: Count = 2
    """How: 0 walks the pool in order, 1 is uniform, 2 and more favour the first entries (2: assumed)."""
    bytes: Distribution | None = None
    """Size of the answer or upload; none where the record has no size."""
    data_event: Flag = False
    """Whether cloud audit records it only on request."""
    image: Flag = False
    """Whether the record carries the container image."""
    error: Share = 0.045
    """Share of benign calls that fail; by default the 404s of the Kubernetes audit sample."""
    denied: Share = 0.004
    """Share of benign calls that are denied; by default the 403s of the same sample."""
    after: tuple[Text, ...] = ()
    """Calls that come before it, where one piece of work makes several."""


def calling_order(operations: Mapping[str, Operation]) -> dict[str, int]:
    """The place of each call in the order that `after` asks for: 0 for those that nothing precedes.

    Raises `ValueError` for an unknown call, and for calls that would all come after one another.
    """
    places: dict[str, int] = {}

    def place(name: str, above: tuple[str, ...]) -> int:
        if name in above or name not in operations:
            raise ValueError(f"operations.yaml, {above[-1]}: it cannot come after {name}, which {_why(name, above)}")
        if name not in places:
            before = operations[name].after
            places[name] = max((1 + place(each, (*above, name)) for each in before), default=0)
        return places[name]

    for name in operations:
        place(name, ())
    return places


def opening(spec: ActivitySpec, made: Collection[str], count: int, operations: Mapping[str, Operation]) -> list[str]:
    """Which of the calls that are made come first: of a sequence all, again and again until there are so many.

    Of a mix those that others come after, once each, in the order of the operations.
    """
    if steps := [call for call in spec.sequence if call in made]:
        return [steps[at % len(steps)] for at in range(max(count, len(steps)))]
    before = {each for call in made if call in operations for each in operations[call].after}
    places = calling_order(operations)
    return sorted((call for call in made if call in before), key=lambda call: places[call])


def _why(name: str, above: tuple[str, ...]) -> str:
    return "comes after it" if name in above else "is unknown"
