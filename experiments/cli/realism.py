"""`scopedrift realism`: how close a simulated log is to published figures of real platforms, or to your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder

if TYPE_CHECKING:
    from scopedrift.experiments.realism.compare import Comparison

MARKER: Final = "realism.json"
COLUMNS: Final = ("Statistic", "Simulated", "Target", "Distance", "Tolerance", "Straw man", "Verdict")


def realism(
    scenario: Annotated[str, typer.Argument(help="Scenario name or file.")] = "realism",
    targets: Annotated[Path | None, typer.Option(help="Your own targets (YAML) instead of the published ones.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Your own trace (CSV) instead of targets.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="STATISTIC=COLUMN of the trace (two columns: A+B). Repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the world.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Output folder for the table and figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Compare a simulated log with real platforms, statistic by statistic; exit code 1 if one misses its target."""
    from scopedrift.experiments.realism import compare as rows_of
    from scopedrift.experiments.realism.targets import load as load_targets
    from scopedrift.experiments.realism.traces import targets_from

    if trace is not None and targets is not None:
        raise UsageError("expected --targets or --trace, not both")
    if mapping and trace is None:
        raise UsageError("--map needs --trace")
    wanted = load_targets(targets) if trace is None else targets_from(trace, mapping or [])
    with progress(f"simulating {scenario}") as show:
        world = sd.simulate(scenario, seed, progress=show)
    rows = rows_of.compare(world.log, wanted)
    found: dict[str, object] = {"statistics": [row.asdict() for row in rows]}
    if out is not None:
        with new_folder(out, MARKER) as folder:
            _write(folder, rows, found)
    if as_json:
        print_json(found)
    else:
        _print(rows, world.name)
    if not rows_of.passed(rows):
        raise typer.Exit(1)


def _write(folder: Path, rows: list[Comparison], found: dict[str, object]) -> None:
    from scopedrift.reports.figures.quantiles import write_quantiles

    (folder / MARKER).write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")
    curves = [
        (row.statistic.name, row.statistic.about, row.statistic.unit, row.simulated(), row.target.value)
        for row in rows
        if row.statistic.form == "distribution" and row.measured.value is not None
    ]
    write_quantiles(curves, folder / "figures")


def _print(rows: list[Comparison], scenario: str) -> None:
    texts = [
        [
            row.statistic.name, _short(row.simulated()), _short(row.target.value), f"{row.distance:.3f}",
            f"{row.target.tolerance:.3f}", f"{row.straw:.3f}", row.verdict,
        ]
        for row in rows
    ]  # fmt: skip
    print_table(f"{scenario}: simulated against real", COLUMNS, texts, right=COLUMNS[3:6])
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("met", "missed", "says nothing")}
    print_paragraph(
        f"{counts['met']} statistics are within tolerance, {counts['missed']} are not. {counts['says nothing']} do "
        "not count, because a straw man passes them too."
    )


def _short(value: Any) -> str:
    """A number, or a distribution as a few quantiles or shares."""
    if value is None:
        return "too few"
    if not isinstance(value, dict):
        return f"{value:.3g}"
    if all(isinstance(key, float) for key in value):
        chosen = [p for p in (0.25, 0.5, 0.9) if p in value] or list(value)[:3]
        return " ".join(f"p{100 * p:g} {value[p]:.3g}" for p in chosen)
    return " ".join(f"{key} {share:.2f}" for key, share in list(value.items())[:4])
