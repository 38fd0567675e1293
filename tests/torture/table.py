"""Writes the table of docs/reliability.md from what pytest wrote: `python tests/torture/table.py PAGE REPORT...`."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TESTS: Final = {
    "test_a_command_is_killed": "a command that writes is killed at a random moment, with or without an earlier result",
    "test_a_sweep_whose_workers_are_killed": "cells of sweeps whose workers are killed, one every five seconds",
    "test_a_hostile_detector_costs_its_own_cell": "a hostile detector raises, ends, hangs, floods or answers nonsense",
    "test_a_service_answers_nonsense": "a service answers nonsense",
    "test_a_service_breaks_the_protocol": "a service breaks HTTP, drips, floods or falls silent",
    "test_a_program_answers_nonsense": "a program answers nonsense, floods, falls silent or dies",
    "test_nothing_that_they_started_is_left": "a detector leaves processes behind",
    "test_the_neighbour_of_an_isolated_detector_stays_as_it_is": "a known route to the result of another detector",
    "test_no_route_leads_to_the_neighbour": "another route to the result of another detector",
    "test_a_trusted_detector_that_changes_the_world_costs_its_own_cell": "a trusted detector changes the world",
    "test_cells_of_a_poisoned_store_are_clean": "a store of cells after a detector poisoned its world",
    "test_it_reaches_nothing": "an isolated detector reaches for files, processes, sockets or the kernel",
    "test_on_a_kernel_without_landlock_isolation_that_is_required_is_refused": "a kernel that cannot isolate",
    "test_a_hostile_file": "a hostile log, scenario, mapping, rule, baseline or detector's answer",
    "test_what_is_no_file": "a pipe, device, folder, loop or file without rights in place of a file",
    "test_time_grows_with_the_length_alone": "a hostile log, eight times as long",
    "test_a_reader_survives_noise": "a reader is given mutated and random files, its memory counted",
}
"""What each test tries, in the order of the table."""
HEAD: Final = "| test | tried | survived |\n|---|---:|---:|\n"
TABLE: Final = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")


def counted(reports: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Cases tried and survived, by test; a case that was skipped was not tried."""
    found: dict[str, tuple[int, int]] = {}
    for case in (each for report in reports for each in ET.parse(report).iter("testcase")):
        name = str(case.get("name")).partition("[")[0]
        if name not in TESTS or case.find("skipped") is not None:
            continue
        told = {each.get("name"): each.get("value") for each in case.iter("property")}
        tried = int(told.get("tried") or 1)
        survived = 0 if case.find("failure") is not None or case.find("error") is not None else tried
        before = found.get(name, (0, 0))
        found[name] = (before[0] + tried, before[1] + survived)
    return found


def main(page: Path, *reports: Path) -> None:
    found = counted(reports)
    rows = [f"| {about} | {found[test][0]} | {found[test][1]} |" for test, about in TESTS.items() if test in found]
    text, replaced = TABLE.subn(lambda _: HEAD + "\n".join(rows) + "\n", page.read_text(encoding="utf-8"))
    assert replaced == 1, f"{page}: expected one table with the head {HEAD.splitlines()[0]!r}"
    page.write_text(text, encoding="utf-8")
    print(HEAD + "\n".join(rows))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
