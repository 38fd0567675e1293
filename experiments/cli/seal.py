"""`scopedrift seal`: secrets from which worlds are made, and what they were once they are revealed."""

from __future__ import annotations

import csv
import json
import re
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
    from scopedrift.scenarios.seal import Seal

    seal, facts = Seal.read(file), _facts(results)
    worlds = _worlds(results)
    fits = facts.get("seal") == seal.hash
    rows = [[scenario, number, seal.seed(number), digest] for scenario, number, digest in worlds] if fits else []
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
    except (ValueError, OSError, RecursionError):
        found = {}
    if not isinstance(found, dict) or not found:
        raise UsageError(f"{results}: expected a results folder, or a leaderboard, with run.json")
    return found


def _worlds(results: Path) -> list[tuple[str, int, str]]:
    """Scenario, number and digest of every world of the results."""
    tables = results / "tables"
    file = (tables if tables.is_dir() else results) / "worlds.csv"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        worlds = [(row["scenario"], row["seed"], row["digest"]) for row in rows]
    except (OSError, ValueError, KeyError, csv.Error):
        worlds = []
    if not worlds or not all(map(_is_world, worlds)):
        raise UsageError(f"{file}: expected a table of worlds (scenario, seed, digest) that scopedrift wrote")
    return [(scenario, int(number), digest) for scenario, number, digest in worlds]


def _is_world(row: tuple[object, object, object]) -> bool:
    scenario, number, digest = (each if isinstance(each, str) else "" for each in row)
    return bool(scenario and re.fullmatch(r"\d{1,19}", number, re.ASCII) and re.fullmatch(r"[0-9a-f]{64}", digest))
