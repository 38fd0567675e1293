"""Incidents in a real log: built from its own records, with ground truth."""

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
        before: The log before this call, with anything injected earlier.
        told: How the injection went.
    """

    source: RealWorld
    before: RealWorld
    told: Told

    @property
    def fresh(self) -> tuple[Incident, ...]:
        """The incidents that this call injected, with their stages."""
        return self.source.truth.incidents[len(self.before.truth.incidents) :]

    @property
    def added(self) -> pd.DataFrame:
        """The rows of `incidents` that this call injected."""
        return self.incidents.iloc[len(self.before.truth.incidents) :]

    @property
    def calls(self) -> dict[str, set[str]]:
        """How the catalogue's operations were written in this log.

        `like`: in the log's own form. `new`: nobody else in the log uses them, which gives incidents away. `absent`:
        the same, but left out. `unseen`: left out because the log would not record them.
        """
        found: dict[str, set[str]] = {"like": set(), "new": set(), "absent": set(), "unseen": set()}
        for call in self.told.calls:
            shown = f"{call.shown} for {call.form.operation}" if call.how == "like" else call.shown
            found.setdefault(call.how, set()).add(shown)
        found["absent"] -= found["new"]
        return found

    @property
    def words(self) -> str:
        """What was injected, and what a log cannot say about it."""
        changes = len(self.changes) - len(self.before.truth.changes)
        more = f", including {changes} benign changes," if changes else ""
        return (
            f"Injected {self.told.events:,} events{more} among {len(self.before.log):,} unchanged ones. A log does not"
            " say what identities may do, so a call fails only if the log shows that identity denied and never"
            " granted it."
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
    """Inject incidents and benign changes into the last part of a real log; its own records stay unchanged.

    Args:
        log: What `read_log` returned (its `split` chooses the parts), a world, or a path. Incidents from an earlier
            `inject` stay in it.
        incidents: Attack chains and kinds of drift: names, or mappings as in a scenario file, such as
            `{"attack": "token-theft", "count": 3, "strength": 0.3}`.
        changes: Kinds of benign change that add activity, such as `backfill`.
        identity: The victim: its name or part of it. By default one is chosen for each incident.
        seed: Seed of the draws (0 or more).
        new_calls: Keep operations that nobody in the log uses; they give incidents away.

    Returns:
        A world for `evaluate`, `run` and `tune`; its `save` writes it.

    Raises:
        UsageError: There is nothing to inject, or an attack, drift or change does not exist.
        LogError: The log is too short, lacks the identity, or would record nothing of an incident.

    Examples:
        >>> import scopedrift as sd
        >>> out = sd.export(sd.simulate("tiny", seed=0), "cloudtrail", "trail")
        >>> world = sd.inject("trail", ["token-theft", {"drift": "eager-retry", "count": 2}])
        >>> world.added["id"].tolist()
        ['token-theft-1', 'eager-retry-1', 'eager-retry-2']
    """
    specs = [incident_spec(each) for each in incidents] + [change_spec(kind) for kind in changes]
    if not specs:
        raise UsageError(
            "nothing to inject: give an attack, a drift or a change (`scopedrift list attacks` lists names)"
        )
    before = _real(log)
    world, told = put_in(before, specs, seed=seed, identity=identity, new_calls=new_calls)
    return InjectedWorld(world, before, told)


def _real(log: Log | World | str | Path) -> RealWorld:
    """The log with its parts and the incidents already in it."""
    if isinstance(log, str | Path) and (Path(log) / STORY).is_file():
        log = World.load(log)
    world = log if isinstance(log, World) else log_of(log).split()
    if not isinstance(world.source, RealWorld):
        raise UsageError("a simulated world already has incidents: add yours to its scenario")
    return world.source


def incident_spec(given: str | Mapping[str, object]) -> IncidentSpec:
    """The incident that a name or mapping describes.

    Raises `UsageError` if it is invalid.
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
