"""The planner's backend for a real log: the stages of an incident as events built from the log's own.

There is no live platform to ask: no permissions, expiring credentials or queues.  A stage fails only where the log
shows its needed calls denied to the identity and never granted.  In the truth, `in_entitlement` means that nothing was
denied, `in_scope` that the identity made such calls before.

The clock runs in the coarsest precision of the log's streams, so that no event is before its stage.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

import numpy as np
import simpy

from scopedrift.scenarios.catalogue import Targets, Technique
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.injection.backend import Backend, StageCalls, Standing, Victim
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.injection.incidents import play
from scopedrift.simulator.injection.plan import IncidentPlan, choose_stages, lengths
from scopedrift.simulator.injection.tempo import squeezed, tempo_of
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.own_logs import actors
from scopedrift.simulator.own_logs.actors import LogFoothold, Setting
from scopedrift.simulator.own_logs.events import events, foreign_image, listed, moments
from scopedrift.simulator.runtime.platform import Process

Block = tuple[dict[str, Array], int]
"""Columns of events, and their truth code."""


def act_out(
    name: str,
    spec: IncidentSpec,
    victim: int | None,
    incidents: IncidentLog,
    setting: Setting,
    rng: np.random.Generator,
) -> list[Block]:
    """The events of one incident that begins at a random event of the test part; no trace if none would be recorded."""
    begin, end = setting.test
    stages = choose_stages(spec.entry, rng)
    waits = lengths(stages)
    tempo = squeezed(tempo_of(waits, spec.strength, end - begin), waits, end - begin)
    plan = IncidentPlan(name, spec, stages, tempo, onset(setting, rng), begin)
    backend = LogBackend(setting, plan, victim, rng)
    backend.env.process(play(backend, plan, incidents, rng))
    backend.env.run(until=end)
    if not setting.sees(columns for columns, _ in backend.blocks):
        incidents.withdraw()
        return []
    return backend.blocks


def onset(setting: Setting, rng: np.random.Generator) -> int:
    """When something that is put into the log begins: at a random event of the test part."""
    tests = setting.background.columns["arrived"][setting.background.until :]
    return int(tests[int(rng.random() * len(tests))])


class LogBackend(Backend[Targets]):
    """One incident in a real log: there is no task to hide in, and credentials have no known end."""

    def __init__(self, setting: Setting, plan: IncidentPlan, victim: int | None, rng: np.random.Generator) -> None:
        self._setting = setting
        self._background = setting.background
        self._plan = plan
        self._given = victim
        self._rng = rng
        self._tick = max(setting.background.ticks.values())
        self.hold: LogFoothold
        self.env = simpy.Environment(initial_time=plan.at // self._tick * self._tick - self._tick)
        self.blocks: list[Block] = []

    @property
    def now(self) -> int:
        """The time in the log."""
        return int(self.env.now)

    def wait(self, duration: int) -> simpy.Event:
        """An event that much later, or a little more."""
        return self.env.timeout(-(-duration // self._tick) * self._tick)

    # --- whom it hits, and from where it acts

    def find_victim(self) -> Victim:
        """The identity that was named, or the most useful of some that are surveyed."""
        identity = self._given
        if identity is None:
            identity = self._best(actors.victims(self._background), self._plan.techniques())
        self.hold = LogFoothold.of(self._background, identity)
        workload = self._background.text("workload", int(self.hold.rows[0]))
        return Victim(self._background.vocabulary["identity"][identity], workload)

    def _best(self, candidates: dict[int, int], techniques: Sequence[Technique]) -> int:
        surveyed = actors.drawn(candidates, self._plan.surveyed, self._rng)
        return max(surveyed, key=lambda identity: actors.use(self._setting, identity, techniques))

    def take_foothold(self) -> Process:
        """In the victim's own place, with its credential elsewhere, or as another workload under its identity."""
        yield from ()
        foothold, rng = self._plan.spec.entry.foothold, self._rng
        if foothold == "copy":
            others = [code for code in actors.victims(self._background) if code != self.hold.identity]
            if others:
                self.hold.place = self._background.of_identity(others[int(rng.random() * len(others))])
        elif foothold == "credential" and rng.random() < self._plan.outside:
            self.hold.source = actors.elsewhere(self._background, self.hold, rng)

    def fetch_image(self) -> None:
        """An image of the log that the identity never used."""
        if self.hold.image < 0:
            self.hold.image = foreign_image(self._setting, self.hold, self._rng)

    # --- what it may do

    def shows(self, call: str) -> bool:
        """Whether the log could show the call."""
        return not self._setting.calls[call].left_out

    def usual(self, call: str) -> bool:
        """Whether the identity makes such calls."""
        return self.hold.makes(self._background, self._setting.calls[call])

    def aim(self, targets: Targets) -> Targets:
        """What selectors name is found for each call."""
        return targets

    def standings(self, calls: Iterable[str], aim: Targets) -> tuple[Targets, list[Standing]]:
        """How calls went before; those without a target go for what the identity uses."""
        found = {call: self._setting.calls[call] for call in calls}
        granted = {call: not self.hold.refuses(self._background, each) for call, each in found.items()}
        before = {call: self.hold.refuses(self._background, each, always=False) for call, each in found.items()}
        return aim, [Standing(was, self.usual(call), was, before[call]) for call, was in granted.items()]

    def habit(self) -> tuple[float, float]:
        """A burst of the identity."""
        return self._background.burst(self.hold.rows)

    # --- what it logs and gains

    def perform(self, calls: StageCalls, aim: Targets) -> Generator[simpy.Event, object, bool]:
        """Make the events of calls, and wait until the last of them."""
        names = listed(calls.weights, calls.steps, calls.count, self._rng)
        times = moments(self._background, self.hold, self.now, len(names), calls.lasts, self._rng)
        columns = events(self._setting, self.hold, names, times, aim, calls.how == "refused", self._rng)
        self.blocks.append((columns, calls.truth))
        yield self.wait(int(times[-1]) - self.now)
        return True

    def gain(self, what: str, ahead: Sequence[Technique]) -> None:
        """Another identity's credential, if it is of more use; what permissions would allow, a log cannot say."""
        others = {c: count for c, count in actors.victims(self._background).items() if c != self.hold.identity}
        if what != "identity" or not others:
            return
        other = self._best(others, ahead)
        if actors.use(self._setting, other, ahead) <= actors.use(self._setting, self.hold.identity, ahead):
            return
        before, self.hold = self.hold, LogFoothold.of(self._background, other)
        if self._rng.random() >= self._plan.spec.strength:
            self.hold.place, self.hold.source = before.place, before.source
        self.hold.image, self.hold.entities = before.image, before.entities
