"""What a gate leaves behind for machines and people: JUnit XML and a Markdown summary."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from scopedrift.experiments.running.verdicts import EXIT_CODES, Gate, Verdict
from scopedrift.reports.files import markdown


def junit(gate: Gate, suite: str) -> str:
    """JUnit XML: a test case a verdict; a regression is a failure, an underpowered one is skipped."""
    count = {word: str(sum(v.word == word for v in gate.verdicts)) for word in EXIT_CODES}
    root = ET.Element(
        "testsuite",
        name=f"scopedrift gate {suite}",
        tests=str(len(gate.verdicts)),
        failures=count["regress"],
        skipped=count["underpowered"],
        errors="0",
    )
    for verdict in gate.verdicts:
        case = ET.SubElement(root, "testcase", classname=_clean(verdict.scenario), name=_clean(verdict.detector))
        if verdict.word == "regress":
            ET.SubElement(case, "failure", message=_clean(verdict.reason))
        elif verdict.word == "underpowered":
            ET.SubElement(case, "skipped", message=_clean(verdict.reason))
        ET.SubElement(case, "system-out").text = _numbers(verdict)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _numbers(verdict: Verdict) -> str:
    return (
        f"caught {verdict.caught} of {verdict.incidents} (before: {verdict.caught_before};"
        f" lost {verdict.lost}, gained {verdict.gained}),"
        f" false alarms {verdict.false_positives} (before: {verdict.false_positives_before}), power {verdict.power:.2f}"
    )


def summary(gate: Gate, suite: str) -> str:
    """Markdown for a pull request: the verdict first, then a table."""
    import pandas as pd

    rows = [
        {
            "scenario": v.scenario,
            "detector": v.detector,
            "verdict": v.word,
            "caught": f"{v.caught}/{v.incidents} (was {v.caught_before})",
            "lost": v.lost,
            "gained": v.gained,
            "false alarms": f"{v.false_positives} (was {v.false_positives_before})",
            "why": v.reason,
        }
        for v in gate.verdicts
    ]
    return markdown(pd.DataFrame(rows), f"scopedrift gate {suite}: {gate.word}")
