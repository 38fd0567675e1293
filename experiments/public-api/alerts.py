"""Alerts in a log without ground truth: the most suspicious ones, with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scopedrift.detectors.base import Detector
from scopedrift.experiments.folders import new_folder
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import score as scoring
from scopedrift.experiments.running.selection import log_only_detectors
from scopedrift.logs import Log, log_of
from scopedrift.reports.alert_report import by_identity
from scopedrift.reports.notebook import fragment
from scopedrift.reports.text import fact_texts

if TYPE_CHECKING:
    import pandas as pd

MARKER: Final = "score.json"
"""The file by which a folder of alerts is known."""
ENOUGH: Final = 100
"""Events below which what was learned is hardly a baseline, which is then said."""


@dataclass(frozen=True, eq=False, repr=False)
class LogAlerts:
    """The highest alerts of some detectors in a log without ground truth.

    Attributes:
        name: The log.
        alerts: For each detector, highest score first: who, when (UTC), why, and where the record is.
        rules: What each rule of detectors that are made of rules matched in the whole log: rules learn nothing.
        facts: What was read, learned from and scored.
        failed: The reason by detector, of those that failed.
    """

    name: str
    alerts: pd.DataFrame
    rules: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def identities(self) -> pd.DataFrame:
        """Who the alerts are about, those that most detectors raise first."""
        return by_identity(self.alerts)

    @property
    def words(self) -> str:
        """What was read, learned from and scored."""
        facts = self.facts
        events, learned, scored = facts["events"], facts["learned"], facts["scored"]
        first, since, last = (facts[name][:19].replace("T", " ") for name in ("first", "scored_from", "last"))
        text = f"{events:,} event{'' if events == 1 else 's'} from {first} to {last} (UTC): "
        text += f"the first {learned:,} were learned from, the {scored:,} from {since} on were scored."
        if learned < ENOUGH:
            text += f" {learned:,} events are too few to learn what is usual: most of what is scored is new."
        if silent := facts.get("abstained"):
            text += f" These abstained on every event and say nothing of this log: {', '.join(silent)}."
        if unjudged := facts.get("unjudged_records"):
            text += f" Rules did not judge {unjudged:,} record{'' if unjudged == 1 else 's'}, nested too deeply."
        if unread := facts.get("unreadable_records"):
            text += f" {unread:,} record{'' if unread == 1 else 's'} could not be read."
        return text

    def save(self, folder: str | Path) -> Path:
        """Write the report, with its figure and tables, into a folder that appears whole or not at all.

        Returns:
            The path of the report, one self-contained HTML page.

        Raises:
            UsageError: The folder holds something else.
        """
        from scopedrift.reports import write_alert_report

        facts = dict(self.facts)
        meta = fact_texts({**facts, "read": "; ".join(facts["read"])} if "read" in facts else facts)
        tables = {"alerts": self.alerts, **({"rules": self.rules} if len(self.rules) else {})}
        with new_folder(Path(folder), MARKER) as place:
            title = f"Alerts in {self.name}"
            write_alert_report(self.alerts, place, title=title, meta=meta, lead=self.words, rules=tables.get("rules"))
            (place / "tables").mkdir(exist_ok=True)
            for name, table in tables.items():
                table.to_parquet(place / "tables" / f"{name}.parquet", index=False)
            (place / MARKER).write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
        return Path(folder) / "report.html"

    def _shown(self) -> pd.DataFrame:
        return self.alerts[["detector", "opened_at", "score", "events", "identity", "reason"]]

    def __repr__(self) -> str:
        return f"{self.words}\n\n{self._shown().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return fragment([self.words], {"": self._shown(), "Rules": self.rules})


def score(
    log: Log | str | Path,
    detectors: str | Detector | Sequence[str | Detector] | None = None,
    *,
    fit: float = 0.5,
    top: int = 20,
    progress: Progress = silent,
) -> LogAlerts:
    """Find the most suspicious alerts in a log: learn from its first part, score the rest.

    There is no truth in a log, so nothing is right or wrong yet: every detector may raise `top` alerts, and gets the
    lowest threshold that keeps to it. Each alert has a reason.

    Args:
        log: What `read_log` returned, or a path.
        detectors: One or several: names, `module:Class`, `file.py:Class`, or objects. By default all built-in ones that
            need nothing beside the log.
        fit: Share of the events that is learned from.
        top: Alerts that each detector may raise.
        progress: Called with the share that is done (0 to 1) and what is being done, such as `print`.

    Raises:
        SpecError: There is no such detector, or it was given wrong parameters. One that fails is in `failed`.
        LogError: There is no event in the log.

    Examples:
        >>> import scopedrift as sd
        >>> out = sd.simulate("tiny", seed=0, out="world")
        >>> found = sd.score("world", "first-seen", top=3)
        >>> found.alerts["score"].is_monotonic_decreasing, len(found.alerts) <= 3
        (True, True)
    """
    opened = log_of(log, progress)
    wanted = [detectors] if isinstance(detectors, str | Detector) else detectors or log_only_detectors()
    found = scoring.score(opened.log, wanted, fit=fit, top=top, records=opened.imported, progress=progress)
    facts = {"path": str(log) if isinstance(log, str | Path) else opened.name, **found.facts}
    if opened.imported:
        facts["unreadable_records"] = sum(opened.imported.report.skipped.values())
    if opened.report:
        facts["read"] = opened.report.summary()
    alerts = found.alerts.drop(columns="record") if opened.anonymous else found.alerts
    return LogAlerts(opened.name, alerts, found.rules, facts, found.failed)
