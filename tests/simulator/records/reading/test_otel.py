"""OpenTelemetry spans of agents and models."""

import json

import pytest

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.otel import NOT_AGENT


def tags(**values):
    return [{"key": name.replace("__", "."), "value": {"stringValue": text}} for name, text in values.items()]


def span(**changed):
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "execute_tool read_file",
        "startTimeUnixNano": "1709254800000000123",
        "endTimeUnixNano": "1709254801000000000",
        "attributes": tags(
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="read_file",
            gen_ai__agent__id="agent-7",
            gen_ai__conversation__id="c-1",
        ),
        "status": {},
        **changed,
    }


def imported(tmp_path, *spans):
    resource = {"attributes": tags(service__name="helper", service__namespace="ml")}
    block = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}
    (tmp_path / "log.json").write_text(json.dumps(block))
    return import_log(tmp_path / "log.json")


def event(tmp_path, **changed):
    (only,) = imported(tmp_path, span(**changed)).log.batch(0, 1)
    return only


def test_a_tool_call(tmp_path):
    found = event(tmp_path)
    assert (found.identity, found.workload, found.project) == ("agent-7", "helper", "ml")
    assert (found.operation, found.access, found.stream) == ("execute_tool read_file", "read", "agent")
    assert (found.time, found.arrived) == (1_709_254_800_000_000, 1_709_254_801_000_000)


def test_internal_spans_carry_no_agent_but_the_service(tmp_path):
    assert event(tmp_path, attributes=tags(gen_ai__operation__name="chat")).identity == "helper"


def test_spans_of_other_software_are_counted(tmp_path):
    result = imported(tmp_path, span(), span(attributes=tags(http__method="GET")))
    assert result.report.skipped == {NOT_AGENT: 1}
    with pytest.raises(LogError, match=NOT_AGENT):
        imported(tmp_path, span(attributes=[]))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({"code": 2, "message": "permission denied"}, "denied"),
        ({"code": "STATUS_CODE_ERROR", "message": "timeout"}, "error"),
        ({"code": 1}, "success"),
    ],
)
def test_outcomes(tmp_path, status, outcome):
    assert event(tmp_path, status=status).outcome == outcome


def test_all_spans_of_a_conversation_are_one_task(tmp_path):
    log = imported(tmp_path, span(), span(spanId="eee19b7ec3c1b175", traceId="6b8efff798038103d269b633813fc60c")).log
    assert len(set(log.frame()["task"])) == 1
