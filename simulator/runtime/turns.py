"""Turns: what changes while a task runs, so that what stays the same in most tasks does not change in incidents alone.

A node is drained or pre-empted, and the task goes on on another one, sometimes from another image.  A credential is
refused and obtained again, a role is assumed for a part of the work, another person takes over, or a task sleeps for
hours and goes on.  Which tasks take a turn is drawn from their numbers, by the shares of their family (`turns` in its
YAML file); a task takes it between two calls (`Task.log`).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final, NamedTuple

from msgspec.structs import replace

from scopedrift.scenarios import catalogue
from scopedrift.simulator.expansion.rows import Holder
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND
from scopedrift.simulator.randomness import Quantiles, key, mix
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.rollout import relocated, under_role, with_image
from scopedrift.simulator.world.workload import Workload

SALT: Final = 0x7E57
"""Keeps the draws of turns apart from those of task ids."""
ONE: Final = 1 << 64
MOST_STAGES: Final = 4
"""Fewer stages than this come before a turn; none before half of them (assumed)."""
CANARY_SALT: Final = 0xCA9A
"""Keeps the draws of canaries apart from those of turns."""
SOMEBODY: Final = 0.8
"""Share of hand-overs to somebody whom the records name (assumed)."""
PATCHES: Final = 9
"""Patches of a version (assumed)."""
CALL: Final = 4 * SECOND
"""How far apart the calls of a resumed task are at most (assumed)."""
OWN_SESSION: Final = 1 << 38
"""From here on, up to twice that, are the sessions of a workload that begin with a turn."""


class Turn(NamedTuple):
    """One turn of one task, with its draws."""

    kind: str
    """A field of `catalogue.TaskTurns`."""
    late: float
    where: float
    what: float
    length: float
    events: float

    @property
    def stages(self) -> int:
        """How many stages of the task come before it."""
        return int(MOST_STAGES * self.late * self.late)


class Turns:
    """Which tasks of a world take a turn, and what it changes."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self._spec = world.platform.turns
        self._silence, self._events = Quantiles.of(self._spec.silence_h), Quantiles.of(self._spec.events)
        self._actors = world.actors.all
        often = world.scenario.turns
        self._canaries = round(min(often * self._spec.canary, 1.0) * ONE)
        self._shares = {
            name: (tuple(shares), [round(min(often * edge, 1.0) * ONE) for edge in accumulate(shares.values())])
            for name, family in catalogue.families().items()
            if often and (shares := family.turns.shares())
        }

    def began(self, actor: int, number: int, now: int) -> int:
        """As whom a task begins: a few run the next version of an image, before all do."""
        if mix(self._actors[actor].task_key ^ CANARY_SALT, number) >= self._canaries:
            return actor
        image = self._world.names["image"][self._actors[actor].image]
        return with_image(self._world, actor, _version(image, 1 + now // WEEK % PATCHES))

    def of(self, workload: Workload, actor: int, number: int) -> Turn | None:
        """The turn that a task takes, if any."""
        shares = self._shares.get(workload.family)
        if shares is None:
            return None
        u = mix(self._actors[actor].task_key ^ SALT, number)
        kinds, edges = shares
        return _turn(kinds[bisect_right(edges, u)], u) if u < edges[-1] else None

    def among(self, workload: Workload, actor: int, number: int, tasks: int) -> tuple[Turn, int] | None:
        """Of so many tasks that one stage stands for: how many take a turn, and which; `number` is the first one's."""
        shares = self._shares.get(workload.family)
        if shares is None:
            return None
        u = mix(self._actors[actor].task_key ^ SALT, number)
        kinds, edges = shares
        some = (tasks * edges[-1] + mix(u, len(Turn._fields))) // ONE
        return (_turn(kinds[bisect_right(edges, u * edges[-1] // ONE)], u), some) if some else None

    def changed(self, workload: Workload, holder: Holder, turn: Turn, now: int, *, starts: bool = False) -> Holder:
        """As whom and where a task goes on; one that `starts` again may run another image from then on."""
        world, spec = self._world, self._spec
        if turn.kind == "moved":
            newer, elsewhere = starts and turn.what < spec.newer_image, starts and turn.what >= 1.0 - spec.mirrored
            actor = relocated(world, holder.actor, 1 + int(turn.where * 16))
            if newer or elsewhere:
                image = self._image(workload, world.names["image"][world.actors[actor].image], turn, elsewhere)
                actor = with_image(world, actor, image)
            return replace(holder, actor=actor)
        if turn.kind == "handed_over":
            others = [each for each in workload.principals if each != holder.behalf]
            if holder.behalf < 0 or not others:
                return holder
            other = others[int(turn.what / SOMEBODY * len(others))] if turn.what < SOMEBODY else MISSING
            return replace(holder, behalf=other)
        actor = (
            under_role(world, holder.actor, world.roles[workload.project.name])
            if turn.kind == "assumed"
            else holder.actor
        )
        return replace(holder, actor=actor, session=_own_session(workload, holder, turn), anchor=now)

    def resumption(self, turn: Turn) -> tuple[int, int, int]:
        """After how long a task goes on, for how long (microseconds), and with how many events."""
        events = round(self._events(turn.events))
        return round(self._silence(turn.length) * HOUR), round(events * CALL * turn.where) + SECOND, events

    def _image(self, workload: Workload, image: str, turn: Turn, elsewhere: bool) -> str:
        """A newer version of an image, or the same from another registry, which mirrors it."""
        if not elsewhere:
            return _version(image, 1 + int(PATCHES * turn.where))
        path, tag = image.rsplit(":", 1)
        mirrors = self._world.platform.world.public_registries
        mirror = mirrors[key(self._world.seed, "mirror", workload.project.name) % len(mirrors)]
        return f"{mirror}/{path.partition('/')[2]}:{tag}"


def _version(image: str, patch: int) -> str:
    return f"{image.rpartition('.')[0]}.{patch}"


def _turn(kind: str, u: int) -> Turn:
    return Turn(kind, *(mix(u, draw) / ONE for draw in range(len(Turn._fields) - 1)))


def _own_session(workload: Workload, holder: Holder, turn: Turn) -> int:
    return workload.session(OWN_SESSION + mix(holder.job, int(turn.where * ONE)) % OWN_SESSION)
