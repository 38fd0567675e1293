"""`scopedrift new detector NAME`: write a working detector to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import say
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import write_file

new_app = typer.Typer(help="Create your own detector from a template.", no_args_is_help=True)


@new_app.callback()
def _new() -> None:
    pass


@new_app.command("detector")
def new_detector(
    name: Annotated[str, typer.Argument(help="Name of the detector, e.g. new-registry.")],
    folder: Annotated[Path, typer.Option(help="Output folder.")] = Path(),
) -> None:
    """Write a small working detector, ready for `scopedrift check` and `scopedrift run --detector`."""
    from scopedrift.detectors.template import detector_template

    try:
        text = detector_template(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", name.strip()).lower()
    path = folder / f"{words}.py"
    try:
        write_file(path, text, new=True)
    except FileExistsError:
        raise UsageError(f"{path} already exists; choose another name or --folder") from None
    shown = path if path.is_absolute() else f"./{path}"
    say(f"wrote {path}\n\nnext:\n  scopedrift check {shown}\n  scopedrift run quickstart --detector {shown}")
