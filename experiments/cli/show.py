"""`scopedrift show NAME`: everything there is to say about one scenario, detector, attack, drift, change or family."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer

from scopedrift.experiments.cli.errors import UsageError
from scopedrift.experiments.cli.list import Things, catalogue_of, described
from scopedrift.experiments.cli.output import print_json, print_table, printable


def show(
    name: Annotated[str, typer.Argument(help="A name that `scopedrift list` shows, a scenario file or a detector.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Show a scenario, detector, attack, drift, benign change or workload family."""
    kinds = [kind for kind in Things if name in described(kind)]
    if not kinds:
        kinds = [_kind_of_file(name)]
    for kind in kinds:
        if kind is Things.SCENARIOS:
            _show_scenario(name, as_json)
        elif kind is Things.DETECTORS:
            _show_detector(name, as_json)
        else:
            _show_entry(kind, name, as_json)


def _kind_of_file(name: str) -> Things:
    if name.endswith((".yaml", ".yml")):
        return Things.SCENARIOS
    if ".py" in name or ":" in name or "(" in name:
        return Things.DETECTORS
    known = {each for kind in Things for each in described(kind)}
    close = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`scopedrift list` shows what there is"
    raise UsageError(f"there is nothing called {name!r}: {hint}")


def _show_scenario(name: str, as_json: bool) -> None:
    from scopedrift.scenarios.loader import load

    scenario = load(name)
    if as_json:
        print_json({**scenario.plain(), "digest": scenario.digest()})
        return
    print("\n".join(printable(line) for line in scenario.to_yaml().rstrip().splitlines()))
    print(f"# digest {scenario.digest()}")


def _show_detector(name: str, as_json: bool) -> None:
    import inspect

    from scopedrift.detectors.registry import describe, find, parse

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
    print(f"\nneeds: {', '.join(sorted(info.needs)) or 'nothing beside the log'}")
    if rows:
        print()
        print_table("", columns, rows)


def _show_entry(kind: Things, name: str, as_json: bool) -> None:
    entry = catalogue_of(kind)[name]
    columns = ["parameter", "default", "range", "unit", "source", "description"]
    rows: list[list[Any]] = [
        [p.name, p.text(p.default), _span(p), p.unit, p.source, p.description] for p in entry.parameters.values()
    ]
    if as_json:
        parameters = [dict(zip(columns, row, strict=True)) for row in rows]
        about = {"kind": kind.value, "name": name, "description": entry.description}
        print_json({**about, "parameters": parameters, **entry.data})
        return
    print(f"{printable(name)} ({kind.value}): {printable(entry.description)}")
    if rows:
        print()
        print_table("", columns, rows)


def _span(parameter: Any) -> str:
    if parameter.choices:
        return ", ".join(str(parameter.text(choice)) for choice in parameter.choices)
    low, high = (None if bound is None else parameter.text(bound) for bound in (parameter.min, parameter.max))
    return "" if low is None and high is None else f"{'' if low is None else low} to {'' if high is None else high}"
