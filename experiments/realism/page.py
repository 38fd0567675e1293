"""The table of targets as the documentation shows it; `make pages` writes it there."""

from __future__ import annotations

from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.statistic import Value
from scopedrift.experiments.realism.targets import load


def table() -> str:
    """Every statistic with its target, distance, tolerance and source, in Markdown."""
    lines = ["| statistic | what it is | target | distance | tolerance | source |", "|---|---|---|---|---|---|"]
    for name, target in load().items():
        cells = (
            name, statistics()[name].about, _text(target.value), target.distance, f"{target.tolerance:.3g}",
            f"{target.source}; {target.note}" if target.note else target.source,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _text(value: Value) -> str:
    if not isinstance(value, dict):
        return f"{value:.3g}"
    pairs = [
        f"p{100 * key:g} {each:.3g}" if isinstance(key, float) else f"{key} {each:g}" for key, each in value.items()
    ]
    return ", ".join(pairs)
