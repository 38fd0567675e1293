"""How figures look: one palette, one look per detector, both themes.

Figures are drawn once, in the light theme. Every colour of the palette is a role: the page replaces it by a CSS
variable, so the same figure follows the reader's theme, and files for print keep the light one. Colours are Okabe and
Ito's, darkened to a contrast of 3:1 on white where needed; markers and line styles tell the same in grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

INK, MUTED, GRID, SURFACE, REFERENCE, ON_DARK = "#1f2328", "#59636e", "#d9dee3", "#ffffff", "#7a828b", "#fefefe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b07d00", "#3a9bd1", "#4d4d4d")
SERIES_DARK = ("#4aa8e0", "#ff8a3d", "#2fcf9f", "#e08fc0", "#f0c040", "#9bdcff", "#c4c4c4")
SEQUENCE = (
    "#f4f8fb",
    "#e2eef7",
    "#cfe2f0",
    "#b8d4e9",
    "#9cc4e0",
    "#7fb2d6",
    "#4e90c2",
    "#3a7cb3",
    "#2768a2",
    "#175490",
    "#0a417c",
)
SEQUENCE_DARK = (
    "#141b23",
    "#17232f",
    "#1a2c3d",
    "#1d364b",
    "#21405a",
    "#254b6a",
    "#5c9fd3",
    "#71afdf",
    "#87bfea",
    "#9dcff4",
    "#b3defe",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
REFERENCE_MARKERS = ("x", "+", "1", "2", "3")
LINES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (10, 3)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 4)),
)
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "||||")
WIDTH = 7.6  # inches

LIGHT: dict[str, str] = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "surface": SURFACE,
    "reference": REFERENCE,
    "on-dark": ON_DARK,
}
LIGHT |= {f"series-{i}": c for i, c in enumerate(SERIES)} | {f"sequence-{i}": c for i, c in enumerate(SEQUENCE)}
DARK: dict[str, str] = {
    "ink": "#e6edf3",
    "muted": "#9aa4af",
    "grid": "#30373f",
    "surface": "#12171d",
    "reference": "#8b949e",
    "on-dark": "#06101a",
}
DARK |= {f"series-{i}": c for i, c in enumerate(SERIES_DARK)} | {
    f"sequence-{i}": c for i, c in enumerate(SEQUENCE_DARK)
}
ROLES: dict[str, str] = {colour: role for role, colour in LIGHT.items()}

RC: dict[str, Any] = {
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "font.size": 9,
    "font.family": ["DejaVu Sans"],
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 6,
    "hatch.linewidth": 0.6,
    "hatch.color": SURFACE,
    "figure.facecolor": SURFACE,
    "savefig.facecolor": "auto",
    "svg.fonttype": "none",
    "svg.hashsalt": "scopedrift",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Look:
    """How one detector is drawn in every figure of a report."""

    colour: str
    marker: str
    line: Any


def looks(detectors: Iterable[str], references: Iterable[str] = ()) -> dict[str, Look]:
    """Give each detector its look, in order; references are grey. Beyond seven, looks repeat in other pairings."""
    chosen: dict[str, Look] = {}
    for turn, detector in enumerate(detectors):
        lap, at = divmod(turn, len(SERIES))
        chosen[detector] = Look(SERIES[at], MARKERS[(at + 3 * lap) % len(MARKERS)], LINES[(at + lap) % len(LINES)])
    for turn, detector in enumerate(references):
        chosen[detector] = Look(REFERENCE, REFERENCE_MARKERS[turn % len(REFERENCE_MARKERS)], LINES[2])
    return chosen


@contextmanager
def matplotlib_settings() -> Iterator[None]:
    """Use this module's settings and no one's own, for as long as the context lasts."""
    import matplotlib as mpl

    settings: Any = RC

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield
