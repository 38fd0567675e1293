"""Operation and outcome of an event alone tell whether a platform has a record of it, and by what names."""

import json

import pytest

from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.records.formats import FORMATS, names_of
from scopedrift.simulator.records.json_paths import at
from scopedrift.simulator.records.writing.exporter import text_of
from scopedrift.simulator.records.writing.naming import ExportNames

SCENARIO = """
name: named
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 3}
load: 0.2
workloads: {training: {pipelines: 2}, runners: {tenants: 2}, serverless: {functions: 3}, agents: {agents: 1}}
incidents: [{attack: eight-minute-intrusion}, {attack: tj-actions}, {attack: nx-unc6426}]
"""
EACH = 40
"""Events of a kind that are written."""


@pytest.fixture(scope="module")
def events():
    log = simulate(load_text(SCENARIO), 3).log
    kinds = {}
    for event in log.batch(0, len(log)):
        kind = event.stream, event.service, event.operation, event.access, event.outcome
        if len(kinds.setdefault(kind, [])) < EACH:
            kinds[kind].append(event)
    return ExportNames.of(log), kinds


@pytest.mark.parametrize("format", names_of(written=True))
def test_the_names_of_a_record_follow_from_operation_and_outcome(events, format):
    names, kinds = events
    write, told = text_of(FORMATS[format].writer(names)), 0
    for kind, alike in kinds.items():
        if kind[0] not in FORMATS[format].streams:
            continue
        records = [write(event, number) for number, event in enumerate(alike)]
        assert len({record is None for record in records}) == 1, kind
        shown = {tuple(str(at(json.loads(each), path)) for path in FORMATS[format].named) for each in records if each}
        assert len(shown) <= 1, kind
        told += bool(shown) and len(alike) > 1
    assert told or not FORMATS[format].named, "there is something to compare"
