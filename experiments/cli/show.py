"""`scopedrift show NAME`: describe one of the things that `scopedrift list` lists."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scopedrift.experiments.cli.list import Things, catalogue_of, names_of
from scopedrift.experiments.cli.output import print_json, print_table, printable, say
from scopedrift.experiments.errors import UsageError

if TYPE_CHECKING:
    from scopedrift.scenarios.catalogue import Change, Parameter, Technique, Template

SINGULAR: Final = {
    Things.ATTACKS: "attack chain",
    Things.DRIFTS: "scope drift",
    Things.CHANGES: "benign change",
    Things.TECHNIQUES: "technique",
    Things.WORKLOADS: "workload family",
}


def show(
    name: Annotated[str, typer.Argument(help="Name from `scopedrift list`, scenario file, or detector.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Describe a scenario, suite, detector, attack, drift, benign change, technique or workload family."""
    kinds = [kind for kind in Things if name in names_of(kind)]
    if not kinds:
        kinds = [_kind_of_file(name)]
    for kind in kinds:
        if kind is Things.SCENARIOS:
            _show_scenario(name, as_json)
        elif kind is Things.SUITES:
            _show_suite(name, as_json)
        elif kind is Things.DETECTORS:
            _show_detector(name, as_json)
        else:
            _show_entry(kind, name, as_json)


def _kind_of_file(name: str) -> Things:
    if name.endswith((".yaml", ".yml")):
        return Things.SCENARIOS
    if ".py" in name or ":" in name or "(" in name:
        return Things.DETECTORS
    known = {each for kind in Things for each in names_of(kind)}
    close = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`scopedrift list` lists all names"
    raise UsageError(f"nothing is called {name!r}: {hint}")


def _show_scenario(name: str, as_json: bool) -> None:
    from scopedrift.scenarios.loader import load

    scenario = load(name)
    if as_json:
        print_json({**scenario.plain(), "digest": scenario.digest()})
        return
    say(scenario.to_yaml().rstrip())
    say(f"# digest {scenario.digest()}")


def _show_suite(name: str, as_json: bool) -> None:
    from scopedrift.scenarios.documents import write
    from scopedrift.scenarios.suite import load_suite

    plan = load_suite(name)
    about = {**plan.suite.model_dump(mode="json", by_alias=True), "digest": plan.digest}
    if as_json:
        print_json(about)
    else:
        say(write(about).rstrip())


def _show_detector(name: str, as_json: bool) -> None:
    import inspect

    from scopedrift.detectors.description import describe
    from scopedrift.detectors.loading import find
    from scopedrift.detectors.spec import parse

    target, _ = parse(name)
    cls = find(target)
    info = describe(cls, target)
    rows = []
    for p in info.parameters:
        span = f"{p.range.low:g} to {p.range.high:g}" if p.range else ""
        rows.append([p.name, p.type, "" if p.default is None else p.default, span, p.doc])
    columns = ["parameter", "type", "default", "range", "description"]
    if as_json:
        parameters = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"name": target, "summary": info.summary, "needs": info.needs, "parameters": parameters})
        return
    for line in (inspect.getdoc(cls) or info.summary).splitlines():
        print(printable(line))
    say(f"\nneeds: {', '.join(sorted(info.needs)) or 'only the log'}")
    if rows:
        print()
        print_table("", columns, rows)


def _show_entry(kind: Things, name: str, as_json: bool) -> None:
    from scopedrift.scenarios.catalogue import Change, Configurable, Technique, Template

    entry = catalogue_of(kind)[name]
    parameters = entry.parameters.values() if isinstance(entry, Configurable) else ()
    columns = ["parameter", "default", "range", "unit", "source", "description"]
    rows: list[list[object]] = []
    for p in parameters:
        rows.append([p.name, p.text(p.default), _span(p), p.unit, p.source, p.description])
    if as_json:
        about = {"kind": kind.value, "parameters": [dict(zip(columns, row, strict=True)) for row in rows]}
        print_json({**entry.model_dump(mode="json", exclude_unset=True, exclude={"parameters"}), **about})
        return
    say(f"{printable(name)} ({SINGULAR[kind]}): {printable(entry.description)}")
    if isinstance(entry, Template):
        _print_incident(entry)
    elif isinstance(entry, Change):
        _print_change(entry)
    elif isinstance(entry, Technique):
        _print_technique(entry)
    if rows:
        print()
        print_table("", columns, rows)


def _print_incident(entry: Template) -> None:
    """Print an attack or drift: its source, its stages on a time line, and the standards it maps to."""
    from scopedrift.experiments.cli.timeline import draw, steps_of
    from scopedrift.scenarios.coverage import STANDARDS, standards_of

    for key in ("objective", "published", "source"):
        if said := getattr(entry, key, ""):
            say(f"{key}: {printable(said)}")
    say(f"begins from: {entry.foothold}; victims: {', '.join(entry.victims.families)}\n")
    steps = steps_of(entry)
    for line in draw(steps):
        print(printable(line))
    print("\n(typical times at strength 0, log scale; `!` reaches the objective)\n")
    stages = []
    for step in steps:
        stage = step.stage
        about = (stage.technique.name, stage.wait.text, stage.pace.text, stage.on_denied)
        stages.append([step.number, stage.name, *about])
    print_table("stages", ["", "stage", "technique", "after", "lasts", "if denied"], stages)
    print()
    found = standards_of(entry.techniques)
    print_table("standards", ["standard", "ids"], [[STANDARDS[key], ", ".join(ids)] for key, ids in found.items()])


def _print_change(entry: Change) -> None:
    """Print a benign change and the techniques that it resembles."""
    from scopedrift.scenarios import catalogue
    from scopedrift.scenarios.durations import format_duration

    say(f"lasts: {format_duration(entry.lasts)}; source: {printable(entry.source or 'assumed')}")
    alike = [n for n, each in catalogue.techniques().items() if entry.name in each.look_alikes]
    say(f"looks like: {', '.join(alike) or 'no technique'}")
    say(f"effects: {'; '.join(effect.kind for effect in entry.effects)}")


def _print_technique(entry: Technique) -> None:
    """Print what a technique logs, needs and yields, which templates use it, and the standards it maps to."""
    from scopedrift.scenarios import catalogue
    from scopedrift.scenarios.coverage import STANDARDS, standards_of

    said = {
        "signals": entry.signals,
        f"operations ({'in order' if entry.activity.sequence else 'mixed'})": entry.activity.operations,
        "needs": entry.needs,
        "yields": [entry.yields] if entry.yields else (),
        "looks like": entry.look_alikes,
        "used by": [
            name for name, each in {**catalogue.chains(), **catalogue.drifts()}.items() if entry.name in each.techniques
        ],
    }
    low, high = entry.count
    say(f"{low} to {high} events within {entry.pace.text}, at strength 0")
    for what, values in said.items():
        say(f"{what}: {', '.join(map(printable, values)) or 'nothing'}")
    print()
    found = standards_of([entry.name])
    print_table("standards", ["standard", "ids"], [[STANDARDS[key], ", ".join(ids)] for key, ids in found.items()])


def _span(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(str(parameter.text(choice)) for choice in parameter.choices)
    low, high = (None if bound is None else parameter.text(bound) for bound in (parameter.min, parameter.max))
    return "" if low is None and high is None else f"{'' if low is None else low} to {'' if high is None else high}"
