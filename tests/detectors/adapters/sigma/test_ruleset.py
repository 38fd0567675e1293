"""Files of rules: what is read, filtered and changed, and what is told of the rest."""

import pytest

pytest.importorskip("sigma")

from scopedrift.detectors import loading
from scopedrift.detectors.adapters.sigma.ruleset import load_rules

RULE = """
title: {title}
name: {name}
id: {id}
logsource: {{product: aws, service: cloudtrail}}
detection:
  s: {{{selection}}}
  condition: s
"""
FILTER = """
title: {title}
logsource: {{product: aws, service: {service}}}
filter:
  rules: {rules}
  own: {{userAgent: scanner}}
  condition: not own
"""
CORRELATION = """
title: {title}
correlation: {{type: event_count, rules: [{rules}], group-by: [a], timespan: 1h, condition: {{{condition}}}}}
"""
ID = "6f3e2987-db24-4c78-a860-b4f4095a700{}"
SEEN, SCANNED = {"eventName": "GetObject"}, {"eventName": "GetObject", "userAgent": "scanner"}


def rule(title="r", selection="eventName: GetObject", number=0):
    return RULE.format(title=title, name=f"n-{title}", id=ID.format(number), selection=selection)


def ruleset(folder, pipeline=None, **files):
    for name, documents in files.items():
        (folder / f"{name}.yml").write_text("---".join([documents] if isinstance(documents, str) else documents))
    if pipeline:
        (folder.parent / "pipeline.yml").write_text(pipeline)
    return load_rules(folder, folder.parent / "pipeline.yml" if pipeline else None)


def told(loaded):
    return {each.title: each.reason for each in loaded.rejected}


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    return folder


def test_a_rule_file_is_one_in_any_case(rules):
    for name in ("A.YML", "b.Yaml"):
        (rules / name).write_text(rule(name))
    assert {each.title for each in load_rules(rules).rules} == {"A.YML", "b.Yaml"}


@pytest.mark.parametrize("of", [ID.format(0), "n-r", "any", f"[{ID.format(7)}, n-r]"])
def test_a_filter_in_its_own_file_changes_the_rules_that_it_names_and_no_others(rules, of):
    loaded = ruleset(
        rules,
        a_filter=FILTER.format(title="not ours", rules=of, service="cloudtrail"),
        r=rule(),
        two=[rule("other", number=1), rule("third", number=2)],
    )
    found = {each.title: (each.matches(SEEN), each.matches(SCANNED)) for each in loaded.rules}
    assert found["r"] == (True, False)
    assert found["other"] == found["third"] == ((True, False) if of == "any" else (True, True))
    assert not loaded.rejected


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (FILTER.format(title="f", rules="n-gone", service="cloudtrail"), "of none of the rules"),
        (FILTER.format(title="f", rules="n-r", service="s3"), "of none of the rules"),
        (FILTER.format(title="f", rules="n-r", service="cloudtrail").replace("not own", "not owned"), "not applied"),
        (FILTER.format(title="f", rules="n-r", service="cloudtrail").replace("condition", "if"), "not read"),
    ],
)
def test_a_filter_that_is_not_applied_is_told_and_changes_nothing(rules, broken, reason):
    loaded = ruleset(rules, f=broken, r=rule())
    (only,) = loaded.rules
    assert only.matches(SEEN) and only.matches(SCANNED)
    assert reason in told(loaded)["f"] and told(loaded)["f"].startswith("not ")


UNREAD = {
    "an unknown modifier": rule("bad", "eventName|nonsense: x"),
    "a value of no kind": rule("bad", "eventName|re: '(?=a)b'"),
    "a placeholder": rule("bad", "eventName|expand: '%names%'"),
    "no condition": rule("bad").replace("condition: s", "c: {a: b}"),
    "a condition of nothing": rule("bad").replace("condition: s", "condition: t"),
    "no log source": rule("bad").replace("logsource", "source"),
    "an id that is none": rule("bad").replace(ID.format(0), "7"),
    "a list": "\n- title: bad\n",
    "a correlation without a condition": CORRELATION.format(title="bad", rules="n-first", condition=""),
    "a correlation of no kind": CORRELATION.format(title="bad", rules="n-first", condition="gte: 1").replace(
        "event_count", "events"
    ),
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_cannot_be_read_costs_itself_alone_in_a_pack(rules, what):
    good = CORRELATION.format(title="good", rules="n-first", condition="gte: 2")
    loaded = ruleset(rules, pack=[rule("first", number=1), UNREAD[what], rule("last", number=2), good])
    assert [each.title for each in loaded.rules] == ["first", "last"]
    assert [(each.title, each.reason) for each in loaded.correlations] == [("good", "")]
    ((title, reason),) = told(loaded).items()
    assert title == ("pack.yml, document 2" if what == "a list" else "bad") and reason.startswith("not read: ")


@pytest.mark.parametrize(
    "broken", ["\ntitle: bad\nlevel: [\n", "\ntitle:   bad \n level: x\n", "\ntitle: bad\n\tx: y\n"]
)
def test_a_document_that_is_no_yaml_costs_itself_alone(rules, broken):
    loaded = ruleset(rules, pack=[rule("first"), broken, rule("last", number=2)])
    assert [each.title for each in loaded.rules] == ["first", "last"]
    assert list(told(loaded)) == ["bad"]


def test_a_document_that_is_no_yaml_and_has_no_title_is_told_by_its_file(rules):
    loaded = ruleset(rules, pack=[rule("first"), "\n{\n", rule("last", number=2)])
    assert [each.title for each in loaded.rules] == ["first", "last"] and list(told(loaded)) == ["pack.yml"]


def test_global_and_repeated_documents_add_to_each_other(rules):
    loaded = ruleset(
        rules,
        pack=[
            "action: global\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\n",
            "\ntitle: one\ndetection: {s: {eventName: GetObject}, condition: s}\n",
            "\naction: repeat\ntitle: again\ndetection: {s: {userAgent: scanner}}\n",
            "\naction: reset\n",
            "\ntitle: lost\ndetection: {s: {a: b}, condition: s}\n",
        ],
    )
    found = {each.title: (each.level, each.matches(SEEN), each.matches(SCANNED)) for each in loaded.rules}
    assert found == {"one": ("high", True, True), "again": ("high", False, True)}
    assert told(loaded).keys() == {"lost"}


PIPELINE = """
name: ours
vars: {names: [GetObject, 'Put*']}
transformations:
  - {id: expand, type: value_placeholders}
  - {id: rename, type: field_name_mapping, mapping: {operation: eventName}}
"""
OCSF = """
name: to OCSF
transformations:
  - {id: fields, type: field_name_mapping, mapping: {eventName: api.operation, userIdentity.arn: actor.user.uid}}
  - {id: source, type: change_logsource, product: ocsf}
"""


def test_a_pipeline_fills_placeholders_and_renames_fields(rules):
    for number, selection in enumerate(("eventName|expand: '%names%'", "operation|expand: '%names%'")):
        (rules / f"{number}.yml").write_text(rule(f"r{number}", selection, number))
    loaded = ruleset(rules, pipeline=PIPELINE)
    assert not loaded.rejected
    for each in loaded.rules:
        assert [each.matches({"eventName": name}) for name in ("GetObject", "PutAny", "Other")] == [True, True, False]
    (only,) = load_rules(rules / "1.yml", rules.parent / "pipeline.yml").rules
    assert only.format == "cloudtrail"


def test_a_placeholder_that_the_pipeline_lacks_costs_its_rule_alone(rules):
    loaded = ruleset(rules, pipeline=PIPELINE, r=[rule("r"), rule("lost", "eventName|expand: '%others%'", 1)])
    assert [each.title for each in loaded.rules] == ["r"] and told(loaded).keys() == {"lost"}


def test_a_pipeline_maps_rules_and_their_filters_to_ocsf(rules):
    asked = FILTER.format(title="not root", rules="n-r", service="cloudtrail").replace(
        "{userAgent: scanner}", "{userIdentity.arn|endswith: root}"
    )
    (only,) = ruleset(rules, pipeline=OCSF, r=rule(), f=asked).rules
    assert only.format == "ocsf"
    assert only.matches({"api": {"operation": "GetObject"}, "actor": {"user": {"uid": "arn:x"}}})
    assert not only.matches({"api": {"operation": "GetObject"}, "actor": {"user": {"uid": "arn:root"}}})


@pytest.mark.parametrize("text", ["transformations: [{type: nothing}]", "a: [", "- 1", ""])
def test_a_file_that_is_no_pipeline_is_told(rules, text):
    (rules / "r.yml").write_text(rule())
    path = rules.parent / "pipeline.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"pipeline\.yml: no pySigma processing pipeline"):
        load_rules(rules, path)
    with pytest.raises(ValueError, match=r"gone\.yml: no pySigma processing pipeline"):
        loading.load(f"sigma(rules={rules}, pipeline={rules / 'gone.yml'})")


TEMPLATE = """
finalizers: [{{type: template, template: "{{{{ x }}}}", vars: {file}}}]
transformations: []
"""


def test_a_pipeline_runs_no_code(rules):
    ran, code = rules.parent / "ran", rules.parent / "code.py"
    code.write_text(f"open({str(ran)!r}, 'w').close()\nvars = {{'x': 1}}\n")
    with pytest.raises(ValueError, match=r"no pySigma processing pipeline: .*vars"):
        ruleset(rules, pipeline=TEMPLATE.format(file=code), r=rule())
    assert not ran.exists()
