"""Alerts in a log without ground truth: the most suspicious ones, with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import Isolation, asked_with
from scopedrift.experiments.folders import new_folder
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import score as scoring
from scopedrift.experiments.running.selection import labelled, log_only_detectors
from scopedrift.logs import Log, log_of
from scopedrift.reports.alert_report import by_identity
from scopedrift.reports.notebook import fragment
from scopedrift.reports.text import fact_texts
from scopedrift.simulator.records.reading.stores import shown_place

if TYPE_CHECKING:
    import pandas as pd

MARKER: Final = "score.json"
"""The file that marks a folder of alerts."""
ENOUGH: Final = 100
"""With fewer events to fit on, the words warn that this is hardly a baseline."""


@dataclass(frozen=True, eq=False, repr=False)
class LogAlerts:
    """The highest alerts of some detectors in a log without ground truth.

    Attributes:
        name: The log.
        alerts: For each detector, highest score first: who, when (UTC), why, and where the record is.
        rules: What each rule of rule-based detectors matched in the whole log; rules need no fitting.
        facts: Counts and times of the events that were read, fitted on and scored.
        failed: The reason for each detector that failed.
    """

    name: str
    alerts: pd.DataFrame
    rules: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def identities(self) -> pd.DataFrame:
        """The identities with alerts; those that most detectors flag come first."""
        return by_identity(self.alerts)

    @property
    def words(self) -> str:
        """Which events were read, fitted on and scored, in words."""
        facts = self.facts
        events, learned, scored = facts["events"], facts["learned"], facts["scored"]
        first, since, last = (facts[name][:19].replace("T", " ") for name in ("first", "scored_from", "last"))
        text = f"{events:,} event{'' if events == 1 else 's'} from {first} to {last} (UTC): "
        text += f"detectors were fitted on the first {learned:,} and scored the {scored:,} from {since} on."
        if learned < ENOUGH:
            text += f" {learned:,} events are too few to learn what is usual, so most scored events look new."
        text += "".join(f" {_realised_words(name, each)}" for name, each in facts.get("deployed", {}).items())
        if silent := facts.get("abstained"):
            text += f" These detectors abstained on every event: {', '.join(silent)}."
        if unjudged := facts.get("unjudged_records"):
            text += f" Rules skipped {unjudged:,} record{'' if unjudged == 1 else 's'} nested too deeply."
        if unread := facts.get("unreadable_records"):
            text += f" {unread:,} record{'' if unread == 1 else 's'} could not be read."
        return text

    def save(self, folder: str | Path) -> Path:
        """Write the report with its figure and tables into a folder. An interrupted call leaves no folder.

        Returns:
            The path of the report, one self-contained HTML page.

        Raises:
            UsageError: The folder holds other files.
        """
        from scopedrift.reports import write_alert_report

        facts = dict(self.facts)
        shown = {name: fact for name, fact in facts.items() if name != "deployed"}  # the words tell it
        meta = fact_texts({**shown, "read": "; ".join(facts["read"])} if "read" in facts else shown)
        tables = {"alerts": self.alerts, **({"rules": self.rules} if len(self.rules) else {})}
        with new_folder(Path(folder), MARKER) as place:
            (place / "tables").mkdir()
            for name, table in tables.items():
                table.to_parquet(place / "tables" / f"{name}.parquet", index=False)
            (place / MARKER).write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
            title = f"Alerts in {self.name}"
            write_alert_report(self.alerts, place, title=title, meta=meta, lead=self.words, rules=tables.get("rules"))
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
    deploy: str | Path | Sequence[str | Path] = (),
    fit: float = 0.5,
    top: int = 20,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> LogAlerts:
    """Find the most suspicious alerts in a log: fit detectors on its first part, score the rest.

    A log has no ground truth, so no alert is right or wrong yet. Each detector gets the lowest threshold at which it
    raises at most `top` alerts; one that was tuned may be deployed with its own. Each alert has a reason.

    Args:
        log: What `read_log` returned, or a path.
        detectors: One or several: names, `module:Class`, `file.py:Class`, or objects. Default: all built-in detectors
            that need only the log; none if `deploy` names some.
        deploy: Files that `tune` wrote (`detector.yaml`), one or several: these detectors raise all alerts above the
            threshold in the file, grouped by its cooldown. Nothing is calibrated again.
        fit: Share of events to fit on.
        top: Maximum alerts per detector that is not deployed.
        isolation: Whether detectors that are not built in run in processes of their own; see `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        SpecError: A detector does not exist or its parameters are wrong. Detectors that fail are in `failed`.
        LogError: The log holds no events.

    Examples:
        >>> import scopedrift as sd
        >>> out = sd.simulate("tiny", seed=0, out="world")
        >>> found = sd.score("world", "first-seen", top=3)
        >>> found.alerts["score"].is_monotonic_decreasing, len(found.alerts) <= 3
        (True, True)
    """
    opened = log_of(log, progress)
    files = [str(each) for each in ([deploy] if isinstance(deploy, str | Path) else deploy)]
    default = [] if files else log_only_detectors()
    named = [detectors] if isinstance(detectors, str | Detector) else detectors or default
    wanted = [asked_with(each, isolation) if isinstance(each, str) else labelled(each, isolation)[1] for each in named]
    deployed = [asked_with(each, isolation) for each in dict.fromkeys(files)]
    found = scoring.score(
        opened.log, wanted, fit=fit, top=top, deploy=deployed, records=opened.imported, progress=progress
    )
    facts = {"path": shown_place(log) if isinstance(log, str | Path) else opened.name, **found.facts}
    if opened.imported:
        facts["unreadable_records"] = sum(opened.imported.report.skipped.values())
    if opened.report:
        facts["read"] = opened.report.summary()
    alerts = found.alerts.drop(columns="record") if opened.anonymous else found.alerts
    return LogAlerts(opened.name, alerts, found.rules, facts, found.failed)


def _realised_words(name: str, facts: Mapping[str, Any]) -> str:
    """What a deployed detector raised, and whether that is what tuning said to expect."""
    raised, rate, expected = facts["alerts"], facts["alerts_per_day"], facts["expected_alerts_per_day"]
    text = f"{name} raised {raised:,} alert{'' if raised == 1 else 's'} above its threshold of {facts['threshold']:.4g}"
    if rate is None or expected is None or "high" not in expected:
        return f"{text}."
    text += f": {rate:.3g} a day, and {expected['low']:.3g} to {expected['high']:.3g} were expected."
    return text if expected["low"] <= rate <= expected["high"] else f"{text} It is time to tune again."
