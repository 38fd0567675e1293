"""`scopedrift seal`: secrets from which worlds are made, and what they were once they are revealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scopedrift.experiments.cli.output import print_json, print_table, remark, say
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import write_file

seal_app = typer.Typer(help="Make worlds on which nobody can have developed a detector.", no_args_is_help=True)


@seal_app.command("new")
def new(file: Annotated[Path, typer.Argument(help="File for the secret.")]) -> None:
    """Write a new secret, and print the hash that results will show."""
    from scopedrift.scenarios.seal import Seal

    seal = Seal.new()
    try:
        write_file(file, seal.text, new=True, private=True)
    except FileExistsError:
        raise UsageError(f"{file} already exists; a secret is never overwritten") from None
    say(f"wrote {file}: keep it secret until you reveal it\nhash: {seal.hash}")


@seal_app.command("reveal")
def reveal(
    file: Annotated[Path, typer.Argument(help="File with the secret.")],
    results: Annotated[Path, typer.Argument(help="Results folder, or leaderboard, made with it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Print the seed and the digest of every world; exit code 1 if the results were made with another secret."""
    import pandas as pd

    from scopedrift.scenarios.seal import Seal

    seal, facts = Seal.read(file), _facts(results)
    tables = results / "tables"
    worlds = pd.read_csv((tables if tables.is_dir() else results) / "worlds.csv")
    fits = facts.get("seal") == seal.hash
    kept = zip(worlds["scenario"], worlds["seed"].tolist(), worlds["digest"], strict=True)
    rows = [[scenario, number, seal.seed(number), digest] for scenario, number, digest in kept] if fits else []
    columns = ["scenario", "world", "seed", "digest"]
    if as_json:
        print_json({"hash": seal.hash, "ok": fits, "worlds": [dict(zip(columns, row, strict=True)) for row in rows]})
    elif fits:
        print_table("sealed worlds", columns, rows)
        print("\nto make one again: scopedrift simulate SCENARIO --seed SEED")
    if not fits:
        remark(f"{file} has the hash {seal.hash}; the results say {facts.get('seal', 'that they were not sealed')}")
        raise typer.Exit(1)


def _facts(results: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((results / "run.json").read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise UsageError(f"{results}: expected a results folder with run.json") from None
    return found
