"""`scopedrift list`: names of scenarios, detectors and the catalogue's entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scopedrift.experiments.cli.output import print_json, print_table

if TYPE_CHECKING:
    from scopedrift.scenarios import catalogue


class Things(StrEnum):
    """What can be listed."""

    SCENARIOS = "scenarios"
    DETECTORS = "detectors"
    ATTACKS = "attacks"
    DRIFTS = "drifts"
    CHANGES = "changes"
    TECHNIQUES = "techniques"
    WORKLOADS = "workloads"
    SUITES = "suites"


def list_things(
    what: Annotated[Things | None, typer.Argument(help="List only this kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """List scenarios, detectors, attacks, drifts, benign changes, techniques, workload families and suites."""
    found = {kind.value: described(kind) for kind in ([what] if what else Things)}
    if as_json:
        print_json(found)
        return
    for i, (kind, items) in enumerate(found.items()):
        if len(found) > 1:
            print(f"\n{kind}:" if i else f"{kind}:")
        print_table("", ["name", "description"], list(items.items()))
    if what is None:
        print("\n`scopedrift show NAME` describes one of them.")


def names_of(kind: Things) -> set[str]:
    """The names of everything of one kind; reads much less than `described`."""
    if kind is Things.SCENARIOS:
        from scopedrift.scenarios.loader import library

        return set(library())
    if kind is Things.SUITES:
        from scopedrift.scenarios.suite import suites

        return set(suites())
    if kind is Things.DETECTORS:
        from scopedrift.detectors.registry import BUILTIN, ON_REQUEST, plugins

        return {*BUILTIN, *ON_REQUEST, *plugins()}
    return set(catalogue_of(kind))


def described(kind: Things) -> dict[str, str]:
    """Everything of one kind: name to one-line description."""
    if kind is Things.SCENARIOS:
        from scopedrift.scenarios.loader import descriptions

        return descriptions()
    if kind is Things.SUITES:
        from scopedrift.scenarios.suite import load_suite, suites

        return {name: load_suite(name).suite.description for name in suites()}
    if kind is Things.DETECTORS:
        from scopedrift.detectors.loading import available

        return {name: info.summary for name, info in available().items()}
    return {name: entry.description for name, entry in catalogue_of(kind).items()}


def catalogue_of(kind: Things) -> Mapping[str, catalogue.Entry]:
    """The catalogue's entries of one kind by name."""
    from scopedrift.scenarios import catalogue

    sources: dict[Things, Callable[[], Mapping[str, catalogue.Entry]]] = {
        Things.ATTACKS: catalogue.chains,
        Things.DRIFTS: catalogue.drifts,
        Things.CHANGES: catalogue.changes,
        Things.TECHNIQUES: catalogue.techniques,
        Things.WORKLOADS: catalogue.families,
    }
    return sources[kind]()
