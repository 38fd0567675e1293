"""The figures of a report, one file each, in the order in which the page shows them.

Each module has `draw(data, looks) -> Drawing | None`: None when the tables hold nothing to draw. (`time_line` draws one
incident and `alert_time_line` plain alerts, so they take more.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures import (
    ablation,
    calendar,
    cost,
    false_alarm_causes,
    operating_curves,
    realised_alarms,
    recall_by_template,
    time_to_detect,
)
from scopedrift.reports.style import Look, looks, matplotlib_settings
from scopedrift.reports.tables import ReportData, normalise

if TYPE_CHECKING:
    import pandas as pd

Draw = Callable[[ReportData, dict[str, Look]], Drawing | None]

FIGURES: Mapping[str, Draw] = {
    "operating-curves": operating_curves.draw,
    "time-to-detect": time_to_detect.draw,
    "recall-by-incident-kind": recall_by_template.draw,
    "false-alarms-by-cause": false_alarm_causes.draw,
    "calendar": calendar.draw,
    "realised-alarms": realised_alarms.draw,
    "ablation": ablation.draw,
    "cost": cost.draw,
}


def draw(name: str, tables: Mapping[str, pd.DataFrame], scenario: str) -> Drawing | None:
    """Draw one figure of `FIGURES` for one scenario; None when the tables hold nothing to draw."""
    data = normalise(tables)
    with matplotlib_settings():
        return FIGURES[name](data.only(scenario), looks(data.detectors))
