"""`inject`: incidents of the catalogue into a real log, with the truth about them.

    world, told = inject(RealWorld.of("trail", log), [IncidentSpec(attack="token-theft", count=3)], seed=1)
    world.save(Path("injected"))

The background stays as it is, row by row and in its order.  What cannot be known from a log is said in the
modules beside this one: permissions above all (`actors`, `incident`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec
from scopedrift.scenarios.release import release
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import Array, Vocabulary
from scopedrift.simulator.log.truth import Truth
from scopedrift.simulator.own_logs import actors
from scopedrift.simulator.own_logs.actors import Setting
from scopedrift.simulator.own_logs.backend import Block, act_out
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Call, Calls
from scopedrift.simulator.own_logs.change import act_out_change
from scopedrift.simulator.own_logs.merge import merge
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.records.errors import LogError

TRIES: Final = 20
"""Onsets to try until an incident leaves an event before the log ends."""


@dataclass(frozen=True)
class Told:
    """The outcome of an injection."""

    events: int
    """Injected events."""
    calls: tuple[Call, ...]
    """The log's calls for the catalogue's operations."""
    left_out: tuple[str, ...] = ()
    """Incidents and changes that this log would not record, each with the reason."""


class UnseenError(LogError):
    """A log would record nothing of an incident or change."""


def inject(
    world: RealWorld,
    specs: Sequence[IncidentSpec | ChangeSpec],
    *,
    seed: int,
    identity: str | None = None,
    new_calls: bool = False,
) -> tuple[RealWorld, Told]:
    """Put incidents and benign changes into the last part of a log.

    The log keeps its windows, and the incidents that it has already.  `identity` is the victim's name, or a part of
    it; by default a suitable one is chosen for each incident.  With `new_calls`, calls that nobody in the log makes
    are put in as well.

    What the log would not record is left out, and told.  Raises `LogError` if the identity is not in the log, or it
    would record nothing of all that is wished for.
    """
    timetable, log, known = world.scenario, world.log, world.truth
    background = Background(log, log.position(timetable.calibration_end_us))
    victim = actors.named(background, identity) if identity is not None else None
    words = Vocabulary(log.vocabulary.texts())
    window = timetable.calibration_end_us, timetable.end_us
    settings = [Setting(background, Calls(background, new), words, window) for new in (False, True)[new_calls:]]
    incidents = IncidentLog(timetable.end_us, known)
    blocks: list[Block] = []
    left_out: dict[str, str] = {}
    for name, spec in _instances(specs, known):
        act = (
            partial(act_out_change, name, spec.kind, victim, incidents)
            if isinstance(spec, ChangeSpec)
            else partial(act_out, name, spec, victim, incidents)
        )
        try:
            blocks += _until_seen(settings, name, seed, act)
        except UnseenError as error:
            left_out[spec.entry.name] = str(error)
    if not blocks:
        raise LogError("; ".join(left_out.values()))
    columns, codes = _gathered(blocks, background, timetable.end_us)
    injected = {n: v for n, v in columns.items() if n in background.present}
    kept = {n: background.columns[n] for n in background.present}
    whole, texts, old, new = merge(kept, injected, words, generator(seed, "inject", "places"))
    noted = np.zeros(len(whole["time"]), np.int64)
    noted[new] = codes
    incidents.note(0, whole["time"], noted)
    manifest = {
        "source": "inject",
        "version": release(),
        "background": {"digest": log.digest, "events": len(log)},
        "events": len(whole["time"]),
    }
    result = EventLog.from_columns(whole, texts, manifest)
    calls = tuple(call for setting in settings for call in setting.calls.used())
    return RealWorld(timetable, seed, result, incidents.truth(moved=old[known.event])), Told(
        len(new), calls, tuple(left_out.values())
    )


def _instances(
    specs: Sequence[IncidentSpec | ChangeSpec], known: Truth
) -> Iterator[tuple[str, IncidentSpec | ChangeSpec]]:
    """Each instance of each spec, by name (`kind-1`, `kind-2`, ...), numbered after those in the log."""
    numbers = Counter(incident.template for incident in known.incidents)
    numbers.update(change.kind for change in known.changes)
    for spec in specs:
        kind = spec.entry.name
        if spec.instances is None:
            raise ValueError(f"{kind}: expected a count, not a rate per month")
        for _ in range(spec.instances):
            numbers[kind] += 1
            yield f"{kind}-{numbers[kind]}", spec


def _until_seen(
    settings: Sequence[Setting], name: str, seed: int, act: Callable[[Setting, np.random.Generator], list[Block]]
) -> list[Block]:
    """The events of an incident or change, in the first setting and at the first onset that record any.

    Raises `UnseenError` if it leaves none wherever it begins.
    """
    for setting in settings:
        rng = generator(seed, "inject", name)
        for _ in range(TRIES):
            if blocks := act(setting, rng):
                return blocks
    raise UnseenError(f"{name.rpartition('-')[0]}: this log would record none of it: {_why(settings[-1].calls)}")


def _why(calls: Calls) -> str:
    unseen = sorted({call.shown for call in calls.used() if call.how == "unseen"})
    if len(unseen) < len({call.shown for call in calls.used()}):
        return "its test part is too short" + (f", and it records no {', '.join(unseen)}" if unseen else "")
    return f"it records no {', '.join(unseen)}"


def _gathered(blocks: Sequence[Block], background: Background, end: int) -> tuple[dict[str, Array], Array]:
    """All events that arrive before the end, in order of arrival, and their truth codes."""
    columns = {name: np.concatenate([made[name] for made, _ in blocks]) for name in background.columns}
    codes = np.concatenate([np.full(len(made["time"]), code) for made, code in blocks])
    order = np.argsort(columns["arrived"], kind="stable")
    order = order[columns["arrived"][order] < end]
    return {name: values[order] for name, values in columns.items()}, codes[order]
