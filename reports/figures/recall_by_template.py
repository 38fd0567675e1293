"""Which detector catches which kind of incident: a heat map with the counts in its cells, hardest kind on top."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, canvas
from scopedrift.reports.style import INK, MUTED, ON_DARK, SEQUENCE, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import listed, short

DARK_FROM = 6  # the first step of the sequence on which text is light


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw recall per detector and incident template; None without incidents."""
    if not len(data.incidents):
        return None
    groups = data.incidents.groupby(["template", "detector"])["detected"].agg(["sum", "size"])
    detectors = [d for d in data.detectors if d in set(data.incidents["detector"])]
    share = (groups["sum"] / groups["size"]).reset_index(name="recall")
    real = share[~share["detector"].isin(data.references)]
    mean = (real if len(real) else share).groupby("template")["recall"].mean()
    templates = sorted(set(share["template"]), key=lambda t: (float(mean.get(t, 0.0)), t))

    tall = max(len(short(d, 20)) for d in detectors) * 0.045
    figure = canvas(0.9 + tall + 1.25 * LINE * len(templates))
    axes = figure.subplots()
    gap = len([d for d in detectors if d not in data.references])
    place = {d: i + (0.25 if i >= gap > 0 else 0.0) for i, d in enumerate(detectors)}
    size = min(9.0, 110 / len(detectors))
    for _, found in groups.reset_index().iterrows():
        x, y = place[str(found["detector"])], templates.index(str(found["template"]))
        step = round(10 * found["sum"] / found["size"])
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=SEQUENCE[step], edgecolor=SURFACE, linewidth=2))
        axes.text(
            x,
            y,
            f"{found['sum']}/{found['size']}",
            ha="center",
            va="center",
            color=ON_DARK if step >= DARK_FROM else INK,
            fontsize=size,
        )
    axes.set_xlim(-0.55, max(place.values()) + 0.55)
    axes.set_ylim(len(templates) - 0.45, -0.55)
    axes.set_xticks(
        list(place.values()), [short(d, 20) for d in detectors], rotation=35, ha="left", rotation_mode="anchor"
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(templates)), [short(t or "unnamed", 34) for t in templates])
    axes.tick_params(length=0)
    for label, detector in zip(axes.get_xticklabels(), detectors, strict=True):
        label.set_color(MUTED if detector in data.references else INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    never = [t for t in templates if float(mean.get(t, 0.0)) == 0.0]
    caption = "Incidents caught out of those injected, by kind, hardest kinds on top."
    caption += " References are on the right." if 0 < gap < len(detectors) else ""
    alt = (
        f"No detector under test catches {listed(never, 6)}."
        if never
        else "Each kind of incident is caught at least once."
    )
    return Drawing("recall-by-incident-kind", "Incidents caught, by kind", caption, alt, figure)
