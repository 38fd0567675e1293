"""Shared by commands that run detectors: where those run that are not built in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scopedrift.experiments.errors import UsageError

if TYPE_CHECKING:
    from scopedrift.detectors.isolation.placement import Isolation

InProcess = Annotated[
    bool, typer.Option("--in-process", help="Run detectors that are not built in without isolation: trusted code only.")
]
RequireIsolation = Annotated[
    bool, typer.Option("--require-isolation", help="Refuse to run where this system cannot isolate a detector.")
]


def isolation(in_process: bool, required: bool) -> Isolation:
    """What both options ask for.

    Raises `UsageError` if they contradict each other.
    """
    if in_process and required:
        raise UsageError("--in-process and --require-isolation exclude each other")
    return "off" if in_process else "required" if required else "on"
