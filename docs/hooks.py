"""Reference pages made from the code when the documentation is built, so that they cannot fall behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for name, make in (
        ("commands", commands),
        ("detectors", detectors),
        ("scenario", scenario),
        ("suite", suite),
        ("catalogue", catalogue),
        ("records", records),
        ("metrics", metrics),
        ("tables", tables),
    ):
        files.append(File.generated(config, f"reference/{name}.md", content=make()))
    return files


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _table(headings: list[str], rows: list[list[object]]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)]) + "\n"


def commands() -> str:
    """Every command with its arguments and options."""
    from typer.main import get_command

    from scopedrift.experiments.cli import app

    parts = [
        "# Commands\n\nEvery command takes `--help`. Exit codes: 0 done, 1 a check that did not pass, 2 bad input,"
        " 3 an inconclusive or underpowered gate.\n"
    ]
    root: Any = get_command(app)
    for name, command in root.commands.items():
        parts += _command(f"scopedrift {name}", command)
    return "\n".join(parts)


def _command(name: str, command: Any) -> list[str]:
    if hasattr(command, "commands"):
        return [part for inner, each in command.commands.items() for part in _command(f"{name} {inner}", each)]
    rows: list[list[object]] = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        label = ", ".join(f"`{text}`" for text in [*parameter.opts, *parameter.secondary_opts])
        default = "" if parameter.default in (None, False) or callable(parameter.default) else f"`{parameter.default}`"
        rows.append([label, getattr(parameter, "help", "") or "", default])
    about = (command.help or "").split("\f")[0]
    return [f"## {name}\n", about + "\n", _table(["argument or option", "meaning", "default"], rows) if rows else ""]


def detectors() -> str:
    """Every built-in detector with its parameters and their ranges."""
    from scopedrift.detectors import loading

    parts = ["# Detectors\n\nParameters go in parentheses: `first-seen(memory=7)`. A tuner searches the ranges.\n"]
    for name, info in loading.available().items():
        kind = " (reference)" if info.reference else ""
        parts.append(f"## {name}{kind}\n\n{info.summary}\n")
        if info.needs:
            parts.append(f"Needs: {', '.join(sorted(info.needs))}.\n")
        rows = [
            [f"`{p.name}`", p.doc, f"`{p.default}`", f"{p.range.low:g} to {p.range.high:g}" if p.range else ""]
            for p in info.parameters
        ]
        if rows:
            parts.append(_table(["parameter", "meaning", "default", "range"], rows))
    return "\n".join(parts)


def scenario() -> str:
    """The keys of a scenario file."""
    from scopedrift.scenarios.schema import Scenario

    return "# Scenario files\n\n`scopedrift schema` prints the JSON Schema.\n\n" + _keys(Scenario.model_json_schema())


def suite() -> str:
    """The keys of a suite file."""
    from scopedrift.scenarios.suite import Suite

    return "# Suite files\n\n`scopedrift schema suite` prints the JSON Schema.\n\n" + _keys(Suite.model_json_schema())


def _keys(schema: dict[str, Any]) -> str:
    parts = [_table(["key", "meaning", "default"], _rows(schema))]
    for name, inner in schema.get("$defs", {}).items():
        if inner.get("properties"):
            parts.append(
                f"## {name}\n\n{inner.get('description', '')}\n\n" + _table(["key", "meaning", "default"], _rows(inner))
            )
    return "\n".join(parts)


def _rows(schema: dict[str, Any]) -> list[list[object]]:
    return [
        [f"`{key}`", about.get("description", ""), f"`{about['default']}`" if _plain(about.get("default")) else ""]
        for key, about in schema.get("properties", {}).items()
    ]


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def catalogue() -> str:
    """Workload families, attacks, drifts, changes and techniques, with their parameters."""
    from scopedrift.scenarios import catalogue as known

    parts = ["# Catalogue\n\nThe parts of a scenario. `scopedrift show NAME` describes each.\n"]
    kinds = {
        "Workload families": known.families(),
        "Attack chains": known.chains(),
        "Scope drift": known.drifts(),
        "Benign changes": known.changes(),
        "Techniques": known.techniques(),
    }
    for title, entries in kinds.items():
        parts.append(f"## {title}\n")
        parts.append(
            _table(["name", "what it is"], [[f"`{name}`", entry.description] for name, entry in entries.items()])
        )
        if title == "Workload families":
            for name, entry in entries.items():
                rows: list[list[object]] = [
                    [f"`{p.name}`", p.description, f"`{p.text(p.default)}`", p.source]
                    for p in entry.parameters.values()
                ]
                parts.append(f"### {name}\n\n" + _table(["parameter", "meaning", "default", "source"], rows))
    return "\n".join(parts)


def records() -> str:
    """What the importer decides: the tables of formats, identities, outcomes and activities, from the data."""
    from scopedrift.simulator.records.formats import FORMATS

    parts = [
        "# What the importer decides\n\nThis page is made from the tables that an import reads.\n",
        "## Formats\n\n`--format` takes these names. A record whose format is not named is recognised by its fields.\n",
    ]
    rows: list[list[object]] = [
        [
            f"`{each.name}`",
            each.title,
            ", ".join(" or ".join(f"`{path}`" for path in field.split("|")) for field in each.signature),
            ", ".join(each.streams),
            "yes" if each.written else "no",
        ]
        for each in FORMATS.values()
    ]
    parts.append(_table(["format", "what it is", "recognised by", "streams", "export"], rows))
    return "\n".join([*parts, *_wrappers(), *_identities(), *_access(), *_outcomes(), *_activities()])


def _wrappers() -> list[str]:
    from scopedrift.simulator.records.reading.wrappers import table

    rows: list[list[object]] = [
        [each.what, each.inner or each.list or ", ".join(each.rename), each.packed] for each in table().wrappers
    ]
    return [
        "## What is opened\n\nFiles may be JSON lines, arrays, documents, Parquet, lines of a container runtime or"
        " others with a prefix, gzip or not. Around records, these are opened, up to six deep:\n",
        _table(["what", "where the record is", "packed"], rows),
    ]


def _identities() -> list[str]:
    from scopedrift.simulator.records.identities import rules

    found = rules()
    return [
        "## Who acted\n\nThe first rule whose conditions hold and whose facts the record states names the identity,"
        " in every format alike.\n",
        _table(["who", "if", "identity"], [[r.who, _conditions(r.when), f"`{r.identity}`"] for r in found.identities]),
        "A session of a role is a workload's, unless it is a person's:\n",
        _table(["who", "if"], [[rule.who, _conditions(rule.when)] for rule in found.people]),
    ]


def _conditions(when: dict[str, str]) -> str:
    return ", ".join(f"`{name}` is `{pattern}`" for name, pattern in when.items())


def _access() -> list[str]:
    from scopedrift.simulator.records.access import PROVIDERS, published

    rows: list[list[object]] = []
    for provider in PROVIDERS:
        source, table = published(provider)
        services = {service for service, _ in table}
        rows.append([f"`{provider}_access.tsv`", len(table), len(services), source])
    return [
        "## What access it is\n\nOperations that hand out credentials are `auth`. These tables decide the others. An"
        " operation that none lists is judged by its words, and the import report names it.\n",
        _table(["table", "operations", "services", "made of"], rows),
        "These formats name no operation that a provider lists, or say more than its name:\n",
        _table(["format", "what", "access"], _access_by_format()),
    ]


def _access_by_format() -> list[list[object]]:
    """What decides on access beside the providers' tables, in order, from the readers' own tables."""
    from scopedrift.simulator.records.reading import azure, falco, kubernetes, otel

    def told(names: Iterable[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(names))

    rows: list[list[object]] = [
        [
            "kubernetes",
            f"{told(kubernetes.READ_VERBS)} of `secrets`, `create` of {told(kubernetes.AUTH_RESOURCES)}",
            "auth",
        ],
        ["", f"{told(kubernetes.SHELLS)}; the verbs {told(kubernetes.ADMIN_VERBS)}; a pod that is privileged", "admin"],
        ["", told(kubernetes.READ_VERBS), "read"],
        ["", f"other verbs in the groups {told(kubernetes.ADMIN_GROUPS)}, but not evictions", "admin"],
        *(["", f"`{verb}`", access] for verb, access in kubernetes.WRITE_VERBS.items()),
        ["", "all other verbs", "write"],
    ]
    for access in dict.fromkeys(otel.ACCESS.values()):
        rows.append(["otel", told(name for name, each in otel.ACCESS.items() if each == access), access])
    rows += [
        ["", f"`execute_tool` of a tool whose first word is {told(otel.READING_TOOLS)}", "read"],
        *(
            ["azure", f"operations that end in `/{end}`, where none is listed", access]
            for end, access in azure.SUFFIXES.items()
        ),
        ["", "the same, answered with `Created`", "create"],
        ["github", "`api.request` with `GET` or `HEAD`", "read"],
        ["", "`api.request` with `DELETE`", "delete"],
        ["", "`api.request` with any other method", "write"],
        ["entra", "every sign-in", "auth"],
        ["falco", "what `evt.access` says", "the same"],
        ["", f"a connection to {told(falco.METADATA)}", "read"],
    ]
    return rows


def _outcomes() -> list[str]:
    from scopedrift.simulator.records.outcomes import denied, sign_in_errors, words

    tables = {
        "aws": "error codes of AWS",
        "http": "HTTP status",
        "grpc": "status of Google Cloud",
        "methods": "methods",
        "azure": "error codes of Azure",
        "okta": "reasons of Okta",
    }
    return [
        "## How it ended\n\nA call without an error is a success, one with an error is an error, unless the error says"
        " that it was denied:\n",
        _table(["where", "denied"], [[what, ", ".join(sorted(denied(name)))] for name, what in tables.items()]),
        f"Sign-ins to Entra are errors with codes {', '.join(sorted(sign_in_errors(), key=int))} and denied with any"
        " other but 0.\n",
        f"Codes and messages that are not listed are denied if they match `{words()}`.\n",
        "Some formats say in a word how it ended:\n",
        _table(["format", "what it says", "outcome"], _outcomes_by_format()),
    ]


def _outcomes_by_format() -> list[list[object]]:
    from scopedrift.simulator.records.ocsf_schema import FAILURE, SUCCESS
    from scopedrift.simulator.records.reading import azure, falco, github

    return [
        ["kubernetes", "the decision `forbid`", "denied"],
        ["", "the stage `Panic` without a code", "error"],
        ["", "a stage without a code", "missing"],
        ["gcp", "an error of a call that was not `granted`", "denied"],
        ["ocsf", f"`status_id` {SUCCESS}", "success"],
        ["", f"`status_id` {FAILURE}: by its code and message; blocked by a control", "error or denied; denied"],
        ["otel", "a span without an error", "success"],
        *(["azure", f"the status `{name}`", outcome] for name, outcome in azure.ENDED.items()),
        ["", ", ".join(f"`{name}`" for name in azure.BEGUN), "missing"],
        *(["github", f"the conclusion `{name}`", outcome] for name, outcome in github.CONCLUSIONS.items()),
        ["", "any other conclusion", "error"],
        ["okta", "a sign-in that failed without a reason", "denied"],
        ["falco", ", ".join(f"`{name}`" for name in falco.DENIED), "denied"],
        ["", "`SUCCESS`, `0`", "success"],
        ["", "any other result", "error"],
    ]


def _activities() -> list[str]:
    from scopedrift.simulator.log.events import ACCESS
    from scopedrift.simulator.records.ocsf_schema import Activities, activities

    def all_others(each: Activities, access: str) -> list[str]:
        listed = any(getattr(each, one) for one in ACCESS)
        return ["all others" if listed else "all"] if each.any == access else []

    rows: list[list[object]] = [
        [
            kind,
            each.name,
            *(", ".join([*map(str, getattr(each, access)), *all_others(each, access)]) for access in ACCESS),
        ]
        for kind, each in activities().items()
    ]
    return ["## What an OCSF activity is\n", _table(["class", "", *ACCESS], rows)]


def metrics() -> str:
    """Every metric with its definition, formula, direction, pooling and source."""
    from scopedrift.reports.metrics import METRICS

    rows: list[list[object]] = [
        [
            f"`{metric.name}`",
            metric.title,
            metric.definition + (f" Formula: `{metric.formula}`." if metric.formula else ""),
            metric.unit,
            metric.better,
            metric.pooling.value,
            metric.scale,
            metric.source,
        ]
        for metric in METRICS.values()
    ]
    return (
        "---\nhide: [toc]\n---\n# Metrics\n\n"
        "Each is a number of one cell (a detector in one world), a column of the table `cells`."
        " The table `summary` pools it over worlds and adds a 95 % interval in `_low` and `_high`."
        " An *identity-slot* is what one identity does within one cooldown. Undefined values are NaN.\n\n"
        + _table(
            ["column", "title", "definition", "unit", "better", "over worlds", "scale of interval", "source"], rows
        )
    )


def tables() -> str:
    """Every result table with its columns."""
    from scopedrift.reports.columns import TABLES

    parts = [
        "# Result tables\n\nWritten as Parquet and CSV into `tables/`."
        " Times are in UTC, durations in seconds, rates per day."
        " [Metrics](metrics.md) explains the numbers of `cells` and `summary`.\n"
    ]
    for name, columns in TABLES.items():
        shown = ", ".join(f"`{column}`" + (f" ({kind})" if kind != "text" else "") for column, kind in columns.items())
        parts.append(f"## {name}\n\n{shown}\n")
    return "\n".join(parts)
