"""Incidents in a real log: made of what is in it, with the truth about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from scopedrift.experiments.errors import UsageError
from scopedrift.logs import Log, log_of
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios import catalogue
from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec
from scopedrift.simulator.log.truth_file import STORY
from scopedrift.simulator.own_logs.inject import Told
from scopedrift.simulator.own_logs.inject import inject as put_in
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.worlds import SHOWN, World

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.simulator.log.truth import Incident


@dataclass(frozen=True, eq=False, repr=False)
class InjectedWorld(World):
    """A real log with incidents in it.

    Attributes:
        before: The log as it was, with what had been injected earlier.
        told: How the injection went.
    """

    source: RealWorld
    before: RealWorld
    told: Told

    @property
    def fresh(self) -> tuple[Incident, ...]:
        """The incidents that were put in now, with their stages."""
        return self.source.truth.incidents[len(self.before.truth.incidents) :]

    @property
    def added(self) -> pd.DataFrame:
        """The incidents that were put in now, as in `incidents`."""
        return self.incidents.iloc[len(self.before.truth.incidents) :]

    @property
    def calls(self) -> dict[str, set[str]]:
        """What stood in the log for calls of the catalogue.

        `like`: it has them in another form. `new`: nobody in it makes them, which gives incidents away. `absent`: the
        same, left out. `unseen`: it would not record them, left out.
        """
        found: dict[str, set[str]] = {"like": set(), "new": set(), "absent": set(), "unseen": set()}
        for call in self.told.calls:
            shown = f"{call.shown} for {call.form.operation}" if call.how == "like" else call.shown
            found.setdefault(call.how, set()).add(shown)
        found["absent"] -= found["new"]
        return found

    @property
    def words(self) -> str:
        """What was put in, and what that means."""
        changes = len(self.changes) - len(self.before.truth.changes)
        more = f" for {changes} benign changes, too" if changes else ""
        return (
            f"{self.told.events:,} events injected{more}, among {len(self.before.log):,}, which are unchanged. What the"
            " identities are permitted is not in a log: a call fails only if the log shows it refused to that"
            " identity, never granted."
        )

    def _repr_html_(self) -> str:
        return fragment([self.words], {"Incidents": self.added[SHOWN]})


def inject(
    log: Log | World | str | Path,
    incidents: Sequence[str | Mapping[str, object]] = (),
    *,
    changes: Sequence[str] = (),
    identity: str | None = None,
    seed: int = 0,
    new_calls: bool = False,
) -> InjectedWorld:
    """Put incidents and benign changes into the last part of a real log; its records stay as they are.

    Args:
        log: What `read_log` returned (its `split` chooses the parts), a world, or a path. What `inject` returned, or
            wrote, keeps the incidents that it has.
        incidents: Attack chains and kinds of drift: names, or mappings as in a scenario file, such as
            `{"attack": "token-theft", "count": 3, "strength": 0.3}`.
        changes: Kinds of benign change that bring work of their own, such as `backfill`.
        identity: The victim: its name or a part of it. By default one is chosen for each incident.
        seed: Which draw (0 or more).
        new_calls: Also put in calls that nobody in the log makes, which give incidents away.

    Returns:
        A world that `evaluate`, `run` and `tune` take and that `save` writes.

    Raises:
        UsageError: There is nothing to inject, or no such attack, drift or change.
        LogError: The log is too short, the identity is not in it, or it could show nothing of an incident.

    Examples:
        >>> import scopedrift as sd
        >>> out = sd.export(sd.simulate("tiny", seed=0), "cloudtrail", "trail")
        >>> world = sd.inject("trail", ["token-theft", {"drift": "eager-retry", "count": 2}])
        >>> world.added["id"].tolist()
        ['token-theft-1', 'eager-retry-1', 'eager-retry-2']
    """
    specs = [incident_spec(each) for each in incidents] + [change_spec(kind) for kind in changes]
    if not specs:
        raise UsageError("nothing to inject: name an attack, a drift or a change (`scopedrift list attacks`)")
    before = _real(log)
    world, told = put_in(before, specs, seed=seed, identity=identity, new_calls=new_calls)
    return InjectedWorld(world, before, told)


def _real(log: Log | World | str | Path) -> RealWorld:
    """The log with its parts, and what is known to have happened in it."""
    if isinstance(log, str | Path) and (Path(log) / STORY).is_file():
        log = World.load(log)
    world = log if isinstance(log, World) else log_of(log).split()
    if not isinstance(world.source, RealWorld):
        raise UsageError("a simulated world has incidents of its own: add yours to its scenario")
    return world.source


def incident_spec(given: str | Mapping[str, object]) -> IncidentSpec:
    """What a name or mapping says of an incident.

    Raises `UsageError` if it makes no sense.
    """
    if isinstance(given, str):
        given = {"drift" if given in catalogue.drifts() else "attack": given}
    try:
        return IncidentSpec.model_validate(dict(given))
    except ValidationError as error:
        raise UsageError(_reason(error)) from None


def change_spec(kind: str) -> ChangeSpec:
    """One benign change of a kind.

    Raises `UsageError` if there is no such kind.
    """
    try:
        return ChangeSpec.model_validate({"kind": kind, "count": 1})
    except ValidationError as error:
        raise UsageError(_reason(error)) from None


def _reason(error: ValidationError) -> str:
    return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
