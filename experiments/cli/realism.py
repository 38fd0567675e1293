"""`scopedrift realism`: how close a simulated log is to published figures of real platforms, or to your own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import scopedrift as sd
from scopedrift.experiments.cli.options import SeedsOption, seeds_of
from scopedrift.experiments.cli.output import plain, print_json, print_paragraph, print_table, progress
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder

if TYPE_CHECKING:
    from scopedrift.comparing import Realism
    from scopedrift.experiments.realism.compare import Agreement

MARKER: Final = "realism.json"
COLUMNS: Final = ("Statistic", "Simulated", "Target", "Distance", "Tolerance", "Straw man", "Verdict")


def realism(
    scenario: Annotated[str | None, typer.Argument(help="Scenario name or file. Default: realism.")] = None,
    targets: Annotated[Path | None, typer.Option(help="Your own targets (YAML) instead of the published ones.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Your own trace (CSV) instead of targets.")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="STATISTIC=COLUMN of the trace; two columns: A+B; true where a column has a value: A:VALUE."
        ),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="A log to compare, simulated or your own, instead of worlds.")
    ] = None,
    seeds: SeedsOption = "1",
    out: Annotated[Path | None, typer.Option(help="Output folder for the table and figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Compare simulated logs with real platforms, statistic by statistic; exit code 1 if one misses its target."""
    if log is not None and scenario is not None:
        raise UsageError("expected a scenario or --log, not both")
    show_as = scenario or (log.name if log else "realism")
    with progress(f"comparing {show_as}") as show:
        source = sd.read_log(log, progress=show) if log is not None else scenario or "realism"
        found = sd.realism(
            source, targets=targets, trace=trace, columns=mapping or (), seeds=seeds_of(seeds), progress=show
        )
    data: dict[str, object] = {
        "name": found.name, "seeds": list(found.seeds), "statistics": [row.asdict() for row in found.rows]
    }  # fmt: skip
    if out is not None:
        with new_folder(out, MARKER) as folder:
            _write(folder, found.rows, data)
    if as_json:
        print_json(data)
    else:
        _print(found)
    if not found.passed:
        raise typer.Exit(1)


def _write(folder: Path, rows: Sequence[Agreement], found: dict[str, object]) -> None:
    from scopedrift.reports.figures.quantiles import write_quantiles

    (folder / MARKER).write_text(json.dumps(plain(found), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    curves = [
        (row.statistic.name, row.statistic.about, row.statistic.unit, row.simulated(), row.target.value)
        for row in rows
        if row.statistic.form == "distribution" and row.simulated() is not None
    ]
    write_quantiles(curves, folder / "figures")


def _print(found: Realism) -> None:
    several = len(found.seeds) > 1
    texts = [
        [
            row.statistic.name, _short(row.simulated()), _short(row.target.value),
            f"{row.distance:.3f}" + (f" ± {row.spread:.3f}" if several else ""), f"{row.target.tolerance:.3f}",
            f"{row.straw:.3f}" + (" (near)" if row.narrow else ""),
            row.verdict + (f" {row.within:.0%}" if several else ""),
        ]
        for row in found.rows
    ]  # fmt: skip
    print_table(f"{found.name}: simulated against real", COLUMNS, texts, right=COLUMNS[3:6])
    for sentence in found.words:
        print_paragraph(sentence)


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
