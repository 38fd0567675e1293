"""The figures of a report, one file each, in the order in which the page shows them.

Each module has `draw(data, looks) -> Drawing | None`: None when the tables hold nothing to draw. (`time_line` draws one
incident and `alert_time_line` plain alerts, so they take more.)
"""

from __future__ import annotations

from collections.abc import Callable

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
from scopedrift.reports.style import Look
from scopedrift.reports.tables import ReportData

FIGURES: tuple[Callable[[ReportData, dict[str, Look]], Drawing | None], ...] = (
    operating_curves.draw,
    time_to_detect.draw,
    recall_by_template.draw,
    false_alarm_causes.draw,
    calendar.draw,
    realised_alarms.draw,
    ablation.draw,
    cost.draw,
)
