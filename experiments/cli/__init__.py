"""The command line: `scopedrift run quickstart` and its siblings, one file a command.

Each command imports what it works with when it is called, so that `--help` answers at once.  Results go to
stdout (with `--json` nothing but JSON does), progress and remarks to stderr.  Exit codes: 0 done, 1 a check
that did not pass, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scopedrift.experiments.cli.audit import audit
from scopedrift.experiments.cli.check import check
from scopedrift.experiments.cli.errors import exit_code, explained
from scopedrift.experiments.cli.export import export
from scopedrift.experiments.cli.gate import gate
from scopedrift.experiments.cli.inject import inject
from scopedrift.experiments.cli.judge import judge
from scopedrift.experiments.cli.list import list_things
from scopedrift.experiments.cli.new import new_app
from scopedrift.experiments.cli.output import inert_stderr
from scopedrift.experiments.cli.profile import profile
from scopedrift.experiments.cli.realism import realism
from scopedrift.experiments.cli.reproduce import reproduce
from scopedrift.experiments.cli.run import run
from scopedrift.experiments.cli.schema import schema
from scopedrift.experiments.cli.score import score
from scopedrift.experiments.cli.seal import seal_app
from scopedrift.experiments.cli.show import show
from scopedrift.experiments.cli.simulate import simulate
from scopedrift.experiments.cli.sweep import sweep
from scopedrift.experiments.cli.tune import tune
from scopedrift.experiments.cli.ui import ui
from scopedrift.experiments.interrupts import terminated


class _Group(TyperGroup):
    """Turns a user's mistake into one message and an exit code."""

    def make_context(self, *given: Any, **options: Any) -> Any:  # the types are in a private module of typer
        with explained(), _written():  # --help is answered here
            return super().make_context(*given, **options)

    def invoke(self, ctx: Any) -> Any:
        with explained(), _written():
            return super().invoke(ctx)


@contextmanager
def _written() -> Iterator[None]:
    """Writes what is printed while a full disk can still be told; when Python ends, it does so in its own words."""
    try:
        yield
    finally:
        sys.stdout.flush()


app = typer.Typer(
    name="scopedrift",
    help="Simulate scope drift of AI workload identities and measure which detectors find it.",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("simulate")(simulate)
app.command("score")(score)
app.command("profile")(profile)
app.command("inject")(inject)
app.command("export")(export)
app.command("judge")(judge)
app.command("list")(list_things)
app.command("show")(show)
app.command("schema")(schema)
app.command("check")(check)
app.command("audit")(audit)
app.command("realism")(realism)
app.add_typer(new_app, name="new")
app.add_typer(seal_app, name="seal")
app.command("sweep")(sweep)
app.command("gate")(gate)
app.command("tune")(tune)
app.command("reproduce")(reproduce)
app.command("ui")(ui)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("scopedrift"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; always ends the process."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding cannot show is written out
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # there is no SIGHUP on Windows
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, terminated)
    try:
        with inert_stderr():
            app()
    except KeyboardInterrupt as interrupt:
        sys.exit(exit_code(interrupt))
    except BrokenPipeError:  # the reader of our output has gone, as in `scopedrift list | head -1`
        sys.exit(141)
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # this was told; what is left would fail again when Python ends, and change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """Opens standard handles that the caller closed (`>&-`), lest a file get their number, and all that is printed."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
