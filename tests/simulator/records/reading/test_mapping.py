"""Mapping files: other people's JSON and CSV become events, and a wrong mapping is answered by file, line and key."""

import json
from pathlib import Path

import pytest

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.mapping import load_mapping, shipped

GATEWAY = """\
name: gateway
records: payload.entries
where: {kind: [audit, access]}
columns:
  time: {path: ts, format: epoch_ms}
  arrived: seen
  identity: [user.name, user.id]
  service: {value: gateway}
  operation: method
  resource: targets.-1
  outcome: {path: status, values: {200: success, 403: denied}, default: error}
  bytes: size
"""


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def record(**changed):
    return {
        "kind": "audit",
        "ts": 1709254800123,
        "seen": "2024-03-01T01:00:05Z",
        "user": {"id": 7},
        "method": "DeleteModel",
        "targets": ["a", "b"],
        "status": 200,
        "size": "12",
        **changed,
    }


def imported(tmp_path, *records, mapping=GATEWAY):
    log = written(tmp_path, "log.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    return import_log(log, mapping=written(tmp_path, "gateway.yaml", mapping))


def test_every_kind_of_column(tmp_path):
    result = imported(tmp_path, record())
    (found,) = result.log.batch(0, 1)
    assert (found.identity, found.service, found.operation) == ("7", "gateway", "DeleteModel")
    assert (found.resource, found.outcome, found.access, found.bytes) == ("b", "success", "delete", 12)
    assert (found.time, found.arrived) == (1_709_254_800_123_000, 1_709_254_805_000_000)
    assert dict(result.report.formats) == {"gateway": 1}


def test_translated_texts_and_their_default(tmp_path):
    result = imported(tmp_path, record(), record(status=403), record(status=500), record(status=None))
    assert result.log.frame()["outcome"].tolist() == ["success", "denied", "error", "error"]


def test_records_that_are_left_out_are_counted(tmp_path):
    result = imported(tmp_path, record(), record(kind="debug"), record(ts=None), record(ts="soon"))
    assert result.report.skipped == {
        "not selected by the mapping (`where`)": 1,
        "no event time": 1,
        "event time not understood": 1,
    }


def test_records_inside_a_value(tmp_path):
    result = imported(tmp_path, {"payload": {"entries": [record(), record(method="ListModels")]}})
    assert result.log.frame()["operation"].tolist() == ["DeleteModel", "ListModels"]
    assert result.original(1)["method"] == "ListModels"


CSV = """\
format: csv
delimiter: ";"
columns:
  time: {path: when, format: "%d/%m/%Y %H:%M:%S %z"}
  identity: who
  operation: what
"""


def test_csv_with_quotes_and_rows_of_the_wrong_length(tmp_path):
    text = 'when;who;what\n01/03/2024 01:00:00 +0000;"a\n;b";Get\nbroken;row\n01/03/2024 03:00:00 +0100;c;Put\n'
    log = written(tmp_path, "log.csv", text)
    result = import_log(log, mapping=written(tmp_path, "csv.yaml", CSV))
    assert result.log.frame()["identity"].tolist() == ["a\n;b", "c"]
    assert result.log.frame()["time"].dt.hour.tolist() == [1, 2]
    assert result.report.skipped == {"2 fields where 3 were expected": 1}
    assert result.original(1) == {"when": "01/03/2024 03:00:00 +0100", "who": "c", "what": "Put"}


def test_csv_without_a_header(tmp_path):
    mapping = written(tmp_path, "csv.yaml", CSV + "header: [when, who, what]\n")
    result = import_log(written(tmp_path, "log.csv", "01/03/2024 01:00:00 +0000;a;Get\n"), mapping=mapping)
    assert result.log.frame()["operation"].tolist() == ["Get"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {identity: x}", "columns.time: this key is missing"),
        ("columns: {time: t, identitty: x}", "identity"),
        ("colums: {time: t}", "columns"),
        ("columns: [time]", "expected a mapping"),
        ("columns: {time: {path: t, format: epoch_sec}}", "epoch_s"),
        ("columns: {time: t, outcome: status}", "values"),
        ("columns: {time: t, outcome: {path: s, values: {200: fine}}}", "unknown choice 'fine'"),
        ("columns: {time: t, service: {}}", "expected a `path`"),
        ("format: xml\ncolumns: {time: t}", "unknown choice 'xml'"),
        ("format: csv\ndelimiter: ab\ncolumns: {time: t}", "single character"),
        ("columns: {time: []}", "expected a path"),
        ("columns: {time: t", "mapping.yaml"),
        ("!!python/object/apply:os.system ['true']", "mapping.yaml"),
        ("", "mapping.yaml"),
    ],
)
def test_a_wrong_mapping_is_answered_with_its_place(tmp_path, text, message):
    with pytest.raises(LogError) as error:
        load_mapping(written(tmp_path, "mapping.yaml", text))
    assert message in str(error.value)
    assert "mapping.yaml" in str(error.value)


def test_templates_join_columns_and_the_first_that_is_filled_counts(tmp_path):
    mapping = GATEWAY.replace("operation: method", 'operation: ["{method} {kind}/{part}", "{method} {kind}", method]')
    records = (record(), record(part="log"), record(kind="access", method=None))
    found = imported(tmp_path, *records, mapping=mapping).log.frame()["operation"].astype(object)
    assert found.where(found.notna(), None).tolist() == ["DeleteModel audit", "DeleteModel audit/log", None]


def test_the_same_id_is_the_same_act(tmp_path):
    mapping = GATEWAY + "  id: request\n"
    result = imported(tmp_path, record(request="a"), record(request="a"), record(request="b"), mapping=mapping)
    assert (result.report.events, result.report.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("name", "log", "expected"),
    [
        (
            "kubernetes-csv",
            "time,user,verb,namespace,resource,name,code\n2026-01-05T10:00:00Z,ann,delete,ml,pods,p-1,403\n",
            ("ann", "delete pods", "delete", "ml/pods/p-1", "denied"),
        ),
        (
            "siem-export",
            json.dumps(
                {
                    "@timestamp": "2026-01-05T10:00:00Z",
                    "event": {"action": "GetObject", "provider": "s3", "outcome": "failure", "type": ["access"]},
                    "user": {"name": "ann"},
                    "resource": {"id": "b/k"},
                }
            ),
            ("ann", "GetObject", "read", "b/k", "error"),
        ),
        (
            "gateway-log",
            json.dumps(
                {
                    "ts": 1767607200000,
                    "type": "access",
                    "user": "ann",
                    "method": "DELETE",
                    "path": "/m/1",
                    "status": 204,
                }
            ),
            ("ann", "DELETE /m/1", "delete", "/m/1", "success"),
        ),
    ],
)
def test_the_mappings_that_are_shipped_read_what_they_are_for(tmp_path, name, log, expected):
    result = import_log(written(tmp_path, "log.csv", log + "\n"), mapping=Path(name))
    (found,) = result.log.batch(0, 1)
    assert (found.identity, found.operation, found.access, found.resource, found.outcome) == expected
    assert found.time == 1_767_607_200_000_000
    assert set(shipped()) == {"kubernetes-csv", "siem-export", "gateway-log"}


def test_a_mapping_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(LogError, match=r"nowhere\.yaml: cannot be read(.|\n)*kubernetes-csv"):
        load_mapping(Path("nowhere.yaml"))


def test_csv_without_a_mapping_is_told_what_it_needs(tmp_path):
    written(tmp_path, "log.csv", "time,who\n2026-01-05T10:00:00Z,ann\n")
    with pytest.raises(LogError, match=r"log\.csv: CSV: say with --mapping what its columns are"):
        import_log(tmp_path)


def test_a_header_with_one_name_twice_is_an_error(tmp_path):
    mapping = written(tmp_path, "m.yaml", "format: csv\ncolumns: {time: ts, identity: user}\n")
    log = written(tmp_path, "log.csv", "ts,user,user\n2026-01-05T10:00:00Z,ann,ben\n")
    with pytest.raises(LogError, match="the header has two columns named 'user'"):
        import_log(log, mapping=mapping)
    with pytest.raises(LogError, match="header: a name is there twice"):
        load_mapping(written(tmp_path, "m2.yaml", "format: csv\nheader: [ts, ts]\ncolumns: {time: ts}\n"))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_csv_in_utf_16_is_told_to_be_converted(tmp_path, encoding, mark):
    mapping = written(tmp_path, "m.yaml", "format: csv\ncolumns: {time: ts}\n")
    log = tmp_path / "log.csv"
    log.write_bytes(f"{mark}ts\n2026-01-05T10:00:00Z\n".encode(encoding))
    with pytest.raises(LogError, match="UTF-16 text: convert it to UTF-8 first"):
        import_log(log, mapping=mapping)


def test_a_mapping_and_a_format_exclude_each_other(tmp_path):
    with pytest.raises(LogError, match="a format or a mapping, not both"):
        import_log(tmp_path, format="gcp", mapping=written(tmp_path, "m.yaml", GATEWAY))
