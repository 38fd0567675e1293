"""What figures may not say."""

from __future__ import annotations

import pandas as pd

from scopedrift.reports.figures import draw


def test_what_has_no_scores_has_a_point_and_no_curve(tables: dict[str, pd.DataFrame]) -> None:
    scenario, curves = str(tables["cells"]["scenario"].iloc[0]), tables["curves"]
    rate = curves["detector"] == "rate"
    single = pd.concat([curves[~rate], curves[rate].groupby("seed").tail(1)])

    def shown(given: pd.DataFrame) -> tuple[int, bool]:
        drawing = draw("operating-curves", {**tables, "curves": given}, scenario)
        assert drawing is not None
        lines = [line for line in drawing.figure.axes[0].lines if len(line.get_xydata()) > 10]
        return len(lines), "A marker without a line" in drawing.caption

    many, told = shown(curves)
    assert not told
    assert shown(single) == (many - 1, True)
