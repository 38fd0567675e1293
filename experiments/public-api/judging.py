"""Judging detectors: on one world, on the worlds of a scenario, over a suite; and alerts that other systems raised."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import Isolation, asked_with
from scopedrift.detectors.registry import reference
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.evaluation import evaluate as evaluation
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, tables
from scopedrift.experiments.live.alert_files import read_alerts
from scopedrift.experiments.live.deliveries import AlertsLike, named_files
from scopedrift.experiments.live.judge import judge_alerts
from scopedrift.experiments.machine import cores, memory_budget
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running import run as running
from scopedrift.experiments.running import sweep as sweeping
from scopedrift.experiments.running.ablation import ablation
from scopedrift.experiments.running.selection import default_detectors, labelled, log_only_detectors, resolve
from scopedrift.experiments.running.workers.pool import Workers, warm
from scopedrift.results import Results
from scopedrift.scenarios.release import release
from scopedrift.scenarios.schema import Scenario
from scopedrift.scenarios.seal import SealedWorlds
from scopedrift.scenarios.seeds import described, parse_seeds
from scopedrift.scenarios.suite import Plan, load_suite
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.own_logs.world import LogTimetable, RealWorld
from scopedrift.simulator.records.reading.stores import shown_place
from scopedrift.worlds import ScenarioLike, World, at_budget, scenario_or_world

RUN_SHARE: Final = 0.3
"""Share of the plain run in the work of a run with ablation, for the progress bar (assumed)."""
WINDOW_S: Final = 300.0
"""How many seconds an alert without the id of a record may be away from its event (assumed)."""

SeedsLike = int | str | Sequence[int]
"""How many worlds (seeds 0 to N-1), or which: a list, or a text such as `100-119` or `3,5`."""
Detectors = str | Detector | Sequence[str | Detector] | Mapping[str, Detector]
"""One detector or several: names, `module:Class`, `file.py:Class` (with parameters in parentheses), or objects; or a
mapping from the names in results to objects."""


def evaluate(
    detector: str | Detector,
    world: World,
    *,
    alert_budget: str | float | None = None,
    withhold: Sequence[str] = (),
    isolation: Isolation = "on",
) -> Results:
    """Judge one detector on one world.

    The detector is fitted on the baseline window. The calibration window sets its threshold for the alert budget. Its
    alerts in the test window are compared with the truth, which it never sees.

    Args:
        detector: A name, `module:Class` or `file.py:Class`, with parameters in parentheses; or an object.
        world: What `simulate` or `inject` returned.
        alert_budget: Accepted false alarms: a text such as `"3/week"`, or a number a day. Default: the scenario's.
        withhold: Kinds of knowledge (`policy`, `inventory`, `calendar`, `task_context`) to withhold from it.
        isolation: Whether a detector that is not built in runs in a process of its own: `"on"`; `"required"` to refuse
            where the system cannot isolate it; `"off"` for code that you trust.

    Returns:
        Results of one detector; `metrics` holds its numbers.

    Raises:
        SpecError: A detector does not exist or its parameters are wrong.
        DetectorError: The detector failed.

    Examples:
        >>> import scopedrift as sd
        >>> world = sd.simulate("tiny", seed=1)
        >>> found = sd.evaluate("first-seen", world)
        >>> found.metrics["recall"] == found.metrics["detected"] / found.metrics["incidents"] > 0
        True
    """
    source = at_budget(world, alert_budget).source
    label, chosen = labelled(detector, isolation)
    facts = _facts(source.scenario, [source.seed], [label])
    found = evaluation.evaluate(chosen, source, name=label, withhold=withhold)
    result = combine([tables(found, source)])
    return Results(world.name, result, facts, _terms(source.scenario), _parameters({label: chosen}))


def run(
    scenario: ScenarioLike | World,
    detectors: Detectors | None = None,
    *,
    seeds: SeedsLike | SealedWorlds = 5,
    alert_budget: str | float | None = None,
    ablate: bool = False,
    jobs: int | None = None,
    memory: str | None = None,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> Results:
    """Run detectors over the worlds of a scenario, or over one world.

    The references `never`, `random`, `always` and `oracle` always run too. A detector that fails loses only its own
    result (`Results.failures`).

    Args:
        scenario: A name in the library, a path, a mapping or a scenario; or a world, or a folder written by `simulate`
            or `inject`.
        detectors: One or several. Default: all built-in detectors that can run (on a log: those that need only it).
        seeds: Number of worlds (seeds 0 to N-1), or which: a list, or a text such as `"200-219"`, or sealed ones
            (`scopedrift.scenarios.seal`). Ignored for a single world.
        alert_budget: Accepted false alarms: a text such as `"3/week"`, or a number a day. Default: the scenario's.
        ablate: Repeat without each kind of knowledge and each log stream (slow); adds the table `ablation`.
        jobs: Number of processes; results do not depend on it. 1: all in this one. Default: the cores it may use.
        memory: The memory that they may take together, such as `"4GiB"`. Default: 60 % of what is free.
        isolation: As for `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        ScenarioError: The scenario does not exist or is invalid.
        SpecError: A detector does not exist or its parameters are wrong.
        UsageError: Two detectors have the same name, the seeds, `jobs` or `memory` are invalid, or `ablate` was used
            with a single world.

    Examples:
        >>> import scopedrift as sd
        >>> results = sd.run("tiny", "rate", seeds=[1], alert_budget="2/day")
        >>> results.curve("rate")[["false_positives_per_day", "recall"]].shape[1]
        2
    """
    workers = workers_of(jobs, memory)
    chosen = at_budget(scenario_or_world(scenario), alert_budget)
    found = taking_part(chosen, detectors, isolation)
    if isinstance(chosen, World):
        if ablate:
            raise UsageError("an ablation needs a scenario: it simulates worlds with less knowledge and fewer streams")
        facts = _facts(chosen.scenario, [chosen.seed], list(found))
        result = running.run_on_world(chosen.source, found, progress, workers)
        return Results(chosen.name, result, facts, _terms(chosen.scenario), _parameters(found))
    sealed = seeds if isinstance(seeds, SealedWorlds) else None
    worlds = seeds.seeds if isinstance(seeds, SealedWorlds) else seeds_of(seeds)
    facts = _facts(chosen, worlds, list(found)) | (sealed.facts if sealed else {"worlds": described(worlds)})
    share = RUN_SHARE if ablate else 1.0
    result = running.run(chosen, found, worlds, part_of(progress, 0.0, share), workers)
    if ablate:
        tested = {name: each for name, each in found.items() if not reference(name)}
        result["ablation"] = ablation(chosen, tested, worlds, result["cells"], part_of(progress, share, 1 - share))
    return Results(chosen.name, _numbered(result, sealed), facts, _terms(chosen), _parameters(found))


def judge(
    world: World | str | Path,
    alerts: AlertsLike,
    *,
    detectors: Detectors | None = None,
    window: float = WINDOW_S,
    mapping: str | Path | None = None,
    alert_budget: str | float | None = None,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> Results:
    """Judge the alerts that other systems raised on a world, as detectors are judged.

    The systems saw the records of the world that `export` writes. An alert is matched with an event by the id of its
    record, or else by who acted and when. All alerts count. The time to detect is that of the alert, not of the event.

    Args:
        world: What `simulate` or `inject` returned, or a folder that they wrote.
        alerts: Files or folders of alerts: one, several, or a mapping from names in results to one or several. In
            texts, `NAME=PATH` gives a name and `*` stands for several files. A file without a name is called like
            itself; files of one name are one system's. JSON, JSON lines, CSV, Parquet; OCSF Detection Findings, alerts
            of Elastic, OpenSearch and Splunk, GuardDuty findings, SARIF, hits of Sigma engines. Empty: it raised none.
        detectors: Detectors to judge on the same world, with the references; as for `run`. Default: none.
        window: How many seconds an alert without the id of a record may be away from the event that it is about.
        mapping: A mapping file that describes other alerts.
        alert_budget: Accepted false alarms, for comparison: a text such as `"3/week"`, or a number a day.
        isolation: As for `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Returns:
        Results as of `run`; also the tables `deliveries` (the alerts of each system in sum), `matching` (how they were
        matched), `outside_alerts` (each alert) and `paired` (each system against each other one).

    Raises:
        LogError: A file of alerts does not exist, or holds something but no alert; or the mapping is invalid.
        LogFormatError: The folder holds no world or is damaged.
        SpecError: A detector does not exist or its parameters are wrong.
        UsageError: Two systems, or a system and a detector, have the same name.

    Examples:
        >>> import scopedrift as sd
        >>> world = sd.simulate("tiny", seed=1)
        >>> world.events.tail(1).to_csv("hits.csv", index=False)  # as if a system had raised an alert on the last event
        >>> found = sd.judge(world, "hits.csv")
        >>> found.metrics["alerts"], found.tables["matching"]["outcome"].tolist()
        (1.0, ['identity and time'])
    """
    if not 0 <= window < math.inf:
        raise UsageError(f"window: expected a number of seconds, 0 or more, not {window}")
    chosen = at_budget(world if isinstance(world, World) else World.load(world), alert_budget)
    files = named_files(alerts)
    others = taking_part(chosen, detectors, isolation) if detectors is not None else {}
    if twice := sorted(files.keys() & others.keys()):
        raise UsageError(f"{twice[0]!r} is the name of alerts and of a detector: give the alerts another, as NAME=PATH")
    given = Path(mapping) if mapping is not None else None
    deliveries = {name: read_alerts(paths, given) for name, paths in files.items()}
    facts = _facts(chosen.scenario, [chosen.seed], [*files, *others])
    facts |= {"alerts": {name: list(map(shown_place, paths)) for name, paths in files.items()}, "window_s": window}
    result = judge_alerts(chosen.source, deliveries, others, window_us=round(window * SECOND), progress=progress)
    return Results(chosen.name, result, facts, _terms(chosen.scenario), _parameters(others))


def workers_of(jobs: int | None, memory: str | None) -> Workers:
    """What a run may use of this machine; its workers get ready at once.  Raises `UsageError`."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs: expected at least 1, not {jobs}")
    workers = Workers(cores() if jobs is None else jobs, memory_budget(memory))
    if workers.jobs > 1:
        warm()
    return workers


def taking_part(on: Scenario | World, detectors: Detectors | None, isolation: Isolation = "on") -> dict[str, Detector]:
    """The detectors that `run` uses, with the references, by their names in results."""
    if detectors is None:
        real = isinstance(on, World) and isinstance(on.source, RealWorld)
        return resolve(log_only_detectors() if real else default_detectors())
    return resolve([detectors] if isinstance(detectors, str | Detector) else detectors, isolation)


def sweep(
    suite: str | Path | Mapping[str, object] | Plan,
    out: str | Path | None = None,
    *,
    detectors: Sequence[str] | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> Results:
    """Run a suite: a set of scenarios, their variations, seeds and detectors.

    The results depend neither on `jobs` nor on how often the sweep was stopped and resumed.

    Args:
        suite: A name in the library, the path of a suite file, or its contents as a mapping.
        out: A folder that keeps finished cells, so that a stopped sweep can resume. By default nothing is kept.
        detectors: Detectors to run instead of the suite's, by name or file (workers must be able to find them).
        jobs: Number of local processes.
        cluster: Address of a Dask scheduler to use instead, such as `tls://host:8786`.
        isolation: As for `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Returns:
        Results of all scenarios; `facts["run_now"]` counts the cells that this call ran.

    Raises:
        ScenarioError: The suite does not exist or is invalid.
        SpecError: A detector does not exist or its parameters are wrong.
        OSError: No scheduler answers at the address.

    Examples:
        >>> import scopedrift as sd
        >>> suite = {"name": "sharing", "scenarios": ["tiny"], "seeds": 2, "detectors": ["rate"]}
        >>> results = sd.sweep({**suite, "vary": {"identities.sharing": [0.0, 1.0]}})
        >>> list(results.table["Scenario"].unique())
        ['tiny (sharing=0.0)', 'tiny (sharing=1.0)']
    """
    plan = suite if isinstance(suite, Plan) else load_suite(suite)
    plan = placed(plan, detectors, isolation)
    found = resolve(plan.suite.detectors)
    terms: dict[str, object] = {"suite": plan.suite.name, "suite_version": plan.suite.version}
    facts = {
        **terms,
        "suite_digest": plan.digest,
        "scenarios": [variant.label for variant in plan.variants],
        "seeds": list(plan.suite.seeds),
        "worlds": described(plan.suite.seeds),
        "detectors": list(found),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    sealed = SealedWorlds(plan.seal, plan.suite.seeds) if plan.seal else None
    facts |= sealed.facts if sealed else {}
    with tempfile.TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        swept = sweeping.sweep(plan, Path(folder), jobs=jobs, address=cluster, progress=progress)
    facts["run_now"] = swept.ran
    return Results(plan.suite.name, _numbered(swept.tables, sealed), facts, terms, _parameters(found))


def placed(plan: Plan, detectors: Sequence[str] | None, isolation: Isolation) -> Plan:
    """The plan with these detectors instead of its own, if there are any, run as `isolation` says."""
    wanted = list(detectors or plan.suite.detectors)
    asked = [asked_with(spec, isolation) for spec in wanted]
    return plan if asked == list(plan.suite.detectors) else plan.with_detectors(asked)


def _numbered(tables: Tables, sealed: SealedWorlds | None) -> Tables:
    """Result tables with the numbers of sealed worlds in place of their seeds."""
    if sealed is None:
        return tables
    number = dict(zip(sealed.seeds, sealed.numbers, strict=True))
    return {n: t.assign(seed=t["seed"].map(number)) if "seed" in t else t for n, t in tables.items()}


def _parameters(detectors: Mapping[str, Detector]) -> dict[str, dict[str, object]]:
    return {name: each.parameters() for name, each in detectors.items()}


def _terms(scenario: Scenario | LogTimetable) -> dict[str, object]:
    """Terms that hold for every world of a scenario or log."""
    return {
        "version": scenario.version,
        "scenario_digest": scenario.digest(),
        "horizon_days": (scenario.end_us - scenario.start_us) / 86_400e6,
        "alert_budget_per_day": scenario.evaluation.alert_budget,
        "cooldown_s": scenario.evaluation.cooldown / 1e6,
    }


def seeds_of(seeds: SeedsLike) -> tuple[int, ...]:
    """The seeds that are meant; raises `UsageError`."""
    try:
        return parse_seeds(seeds)
    except ValueError as error:
        raise UsageError(f"seeds: {error}") from None


def _facts(scenario: Scenario | LogTimetable, seeds: Sequence[int], detectors: Sequence[str]) -> dict[str, object]:
    """What is run, and when."""
    return {
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "seeds": list(seeds),
        "detectors": list(detectors),
        "alert_budget_per_day": scenario.evaluation.alert_budget,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": release(),
    }
