"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.errors import UsageError

SeedsOption = Annotated[
    str, typer.Option("--seeds", metavar="SEEDS", help="Worlds: number (from seed 0), range (100-119) or list (3,5).")
]

SealOption = Annotated[
    Path | None, typer.Option("--seal", help="File with a secret that makes the worlds (see `scopedrift seal`).")
]

JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, max=4_096, help="Number of local processes. Default: the cores.")
]

MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="Memory for these, e.g. 4GiB. Default: 60 % of what is free."),
]

PipelineOption = Annotated[
    Path | None, typer.Option("--pipeline", help="pySigma processing pipeline (YAML) for the Sigma rules.")
]


def piped(detectors: list[str] | None, pipeline: Path | None) -> list[str] | None:
    """The detectors, with a pipeline for those of Sigma rules; raises `UsageError` if there are none."""
    from scopedrift.detectors.spec import SpecError, parse

    if pipeline is None:
        return detectors
    try:
        rules = [each for each in detectors or [] if parse(each).target == "sigma"]
    except SpecError as error:
        raise UsageError(str(error)) from None
    if not rules:
        raise UsageError("--pipeline: expected a detector of Sigma rules: --detector 'sigma(rules=PATH)'")
    known = f"pipeline={str(pipeline)!r}"
    return [f"{each.rstrip()[:-1]}, {known})" if each in rules and "(" in each else each for each in detectors or []]


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that an option asks for; raises `UsageError`."""
    from scopedrift.scenarios.seeds import parse_seeds

    try:
        return parse_seeds(text)
    except ValueError as error:
        raise UsageError(f"--seeds: {error}") from None
