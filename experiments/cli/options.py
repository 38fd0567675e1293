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


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that an option asks for; raises `UsageError`."""
    from scopedrift.scenarios.seeds import parse_seeds

    try:
        return parse_seeds(text)
    except ValueError as error:
        raise UsageError(f"--seeds: {error}") from None
