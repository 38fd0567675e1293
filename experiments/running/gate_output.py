"""What a gate leaves behind for machines and people: JUnit XML, JSON and a Markdown summary."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.evaluation.noninferiority import Loss
from scopedrift.experiments.running.verdicts import Gate, Verdict
from scopedrift.reports.files import markdown

if TYPE_CHECKING:
    import pandas as pd

MARK: Final = 'name="scopedrift gate '
"""What tells a gate's JUnit XML from another file."""


def junit(gate: Gate, suite: str) -> str:
    """JUnit XML: one test case per verdict; a regression is a failure, and what could not be decided an error."""
    root = ET.Element("testsuite", name=f"scopedrift gate {suite}")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for verdict in gate.verdicts or [Verdict("gate", suite, gate.word, gate.problem)]:
        case = ET.SubElement(root, "testcase", classname=_clean(verdict.scenario), name=_clean(verdict.detector))
        counts["tests"] += 1
        if verdict.word != "pass":
            tag = "failure" if verdict.word == "regress" else "error"
            ET.SubElement(case, tag, message=_clean(f"{verdict.word}: {verdict.reason}"))
            counts[f"{tag}s"] += 1
        ET.SubElement(case, "system-out").text = numbers(verdict)
    root.attrib.update({name: str(count) for name, count in counts.items()})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def percent(loss: Loss) -> str:
    """A loss with its interval in per cent, or a dash."""
    if math.isnan(loss.estimate):
        return "-"
    return f"{100 * loss.estimate:.0f} % [{100 * loss.low:.0f}, {100 * loss.high:.0f}]"


def numbers(verdict: Verdict) -> str:
    """Everything that was measured, in one line."""
    return (
        f"caught {verdict.caught} of {verdict.incidents} (before: {verdict.caught_before};"
        f" lost {verdict.lost}, gained {verdict.gained}), loss {percent(verdict.loss)}, p = {verdict.p_recall:.2g},"
        f" power {verdict.power:.2f}; false alarms {verdict.false_positives}"
        f" (before: {verdict.false_positives_before}), growth {percent(verdict.growth)},"
        f" p = {verdict.p_false_positives:.2g}"
    )


def as_json(gate: Gate, suite: str) -> dict[str, object]:
    """The verdict of the whole, the largest loss, and everything that was measured; undefined numbers are null."""
    losses = [v.loss.estimate for v in gate.deciding() if not math.isnan(v.loss.estimate)]
    whole = {"suite": suite, "verdict": gate.word, "loss": max(losses, default=None), "problem": gate.problem or None}
    return {**whole, "verdicts": [asdict(verdict, dict_factory=_without_nan) for verdict in gate.verdicts]}


def _without_nan(items: list[tuple[str, object]]) -> dict[str, object]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in items}


def table(gate: Gate) -> pd.DataFrame:
    """One row for each verdict, as text."""
    import pandas as pd

    rows = [
        {
            "scenario": v.scenario,
            "detector": v.detector,
            "verdict": v.word,
            "caught": f"{v.caught}/{v.incidents} (was {v.caught_before})",
            "loss": percent(v.loss),
            "p": f"{v.p_recall:.2g}",
            "power": f"{v.power:.0%}",
            "false alarms": f"{v.false_positives} (was {v.false_positives_before})",
            "growth": percent(v.growth),
            "why": v.reason,
        }
        for v in gate.verdicts
    ]
    return pd.DataFrame(rows)


def summary(gate: Gate, suite: str) -> str:
    """Markdown for a pull request: the verdict first, then a table."""
    title = f"scopedrift gate {suite}: {gate.word}"
    if gate.problem:
        return f"**{title}**\n\n{gate.problem}\n"
    return markdown(table(gate), title)
