"""`scopedrift schema`: JSON Schemas of scenario, suite, mapping and detector files, for editors."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from scopedrift.experiments.cli.output import print_json


def schema(
    what: Annotated[
        Literal["scenario", "suite", "mapping", "detector"], typer.Argument(help="Kind of file.")
    ] = "scenario",
) -> None:
    """Print the JSON Schema of a kind of file, for completion and checks in an editor."""
    if what == "scenario":
        from scopedrift.scenarios.schema import Scenario

        print_json(Scenario.model_json_schema())
    elif what == "suite":
        from scopedrift.scenarios.suite import Suite

        print_json(Suite.model_json_schema())
    elif what == "detector":
        from scopedrift.detectors.deployed import Deployed

        print_json(Deployed.model_json_schema())
    else:
        from scopedrift.simulator.records.reading.mapping import MappingFile

        print_json(MappingFile.model_json_schema())
