"""Who acts in a real log: its identities, and what an incident holds there.

The log shows what an identity calls, not what it may call: permissions are unknown.  The log is the evidence: a call
that was denied to the identity, and never granted, is denied again.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import Technique
from scopedrift.simulator.log.events import MISSING, Array, Vocabulary
from scopedrift.simulator.own_logs.background import PROVIDER, Background
from scopedrift.simulator.own_logs.calls import Call, Calls
from scopedrift.simulator.records.errors import LogError

LEAST: Final = 3
"""Minimum events of a victim: with fewer, its habits are unknown (assumed)."""


@dataclass(frozen=True)
class Setting:
    """The log that incidents and changes are put into."""

    background: Background
    calls: Calls
    words: Vocabulary
    """The log's texts, and those that incidents add."""
    test: tuple[int, int]
    """When the test part begins and ends."""

    def sees(self, blocks: Iterable[Mapping[str, Array]]) -> bool:
        """Whether any of some events arrives before the log ends."""
        return any((columns["arrived"] < self.test[1]).any() for columns in blocks)


@dataclass
class LogFoothold:
    """What an incident holds: it acts as `identity`, in the place (source, workload, task) of the rows `place`."""

    identity: int
    rows: Array
    """The identity's rows."""
    place: Array
    source: int = MISSING
    """Code of the source that it calls from; -1: that of the place."""
    image: int = MISSING
    """Code of the foreign image that it runs; -1: none."""
    entities: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """What it acts on, by service, slot and kind of name: the code of the resource, kept from stage to stage."""
    inside: bool = False
    """There is no task to follow."""
    expires: int = MISSING
    """A log does not say when a credential ends."""

    @classmethod
    def of(cls, background: Background, identity: int) -> LogFoothold:
        """An identity in its own place."""
        rows = background.of_identity(identity)
        return cls(identity, rows, rows)

    def moment(self, background: Background, time: int, stream: int, call: Call) -> tuple[int, int]:
        """The latest rows, of the identity and of the place, before `time`: of the call, else of the stream."""
        found = []
        for rows in (self.rows, self.place):
            made = background.made(int(background.columns["identity"][rows[0]]), call.rows)
            found.append(latest(background, made if len(made) else rows, time, stream))
        return found[0], found[1]

    def makes(self, background: Background, call: Call) -> bool:
        """Whether the identity makes such calls."""
        return len(background.made(self.identity, call.rows)) > 0

    def refuses(self, background: Background, call: Call, always: bool = True) -> bool:
        """Whether the log shows the call refused to the identity, and (`always`) never granted."""
        made = background.columns["outcome"][background.made(self.identity, call.rows)]
        outcomes = {background.vocabulary["outcome"][code] for code in np.unique(made[made >= 0]).tolist()}
        return "denied" in outcomes and not (always and "success" in outcomes)


def latest(background: Background, rows: Array, time: int, stream: int = MISSING) -> int:
    """The last of some rows before a time, preferably of a stream."""
    same = rows[background.columns["stream"][rows] == stream]
    rows = same if len(same) else rows
    at = int(np.searchsorted(background.columns["arrived"][rows], time, side="right"))
    return int(rows[max(at - 1, 0)])


def named(background: Background, wanted: str) -> int:
    """The code of the identity called `wanted`, or of the only one whose name contains it.

    Raises `LogError` if there is none, or more than one.
    """
    names = background.vocabulary["identity"]
    if (code := names.find(wanted)) >= 0:
        return code
    found = [text for text in names if wanted.lower() in text.lower()]
    if len(found) == 1:
        return names.find(found[0])
    if found:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise LogError(f"{wanted!r} matches {len(found)} identities of the log: {shown}")
    close = difflib.get_close_matches(wanted, names, 1, 0.4) or sorted(names, key=lambda n: -_size(background, n))[:1]
    raise LogError(f"no identity {wanted!r} in the log" + (f"; did you mean {close[0]!r}?" if close else ""))


def _size(background: Background, name: str) -> int:
    return len(background.of_identity(background.vocabulary["identity"].find(name)))


def victims(background: Background) -> dict[int, int]:
    """The possible victims with their numbers of events before the test part, without services of the provider.

    If none qualifies, all identities.  Raises `LogError` if no record has an identity.
    """
    names = background.vocabulary["identity"]
    known = background.columns["identity"][: background.until]
    counts = np.bincount(known[known >= 0], minlength=len(names))
    chosen = [c for c in np.flatnonzero(counts >= LEAST).tolist() if not names[c].endswith(PROVIDER)]
    chosen = chosen or np.flatnonzero(counts).tolist()
    if not chosen:
        raise LogError("no record before the test part has an identity, so there are no victims for an incident")
    return {code: int(counts[code]) for code in chosen}


def drawn(candidates: dict[int, int], number: int, rng: np.random.Generator) -> list[int]:
    """Draws this number of candidates, active ones more often."""
    shares = np.array(list(candidates.values()), float)
    chosen: list[int] = rng.choice(list(candidates), number, p=shares / shares.sum()).tolist()
    return chosen


def use(setting: Setting, identity: int, techniques: Sequence[Technique]) -> float:
    """The share of the techniques' needed calls that the identity makes, refused where it is refusals they repeat."""
    background, hold = setting.background, LogFoothold.of(setting.background, identity)
    wanted = [(each.activity.operations if each.refused else each.needs, each.refused) for each in techniques]
    needs = [(setting.calls[call], refused) for calls, refused in wanted for call in calls]
    made = sum(hold.makes(background, call) and hold.refuses(background, call, not bad) == bad for call, bad in needs)
    return made / max(len(needs), 1)


def elsewhere(background: Background, hold: LogFoothold, rng: np.random.Generator) -> int:
    """An address that others call from and the identity does not, each as likely as it is used; -1: there is none."""
    sources, names = background.columns["source"], background.vocabulary["source"]
    own = np.unique(sources[hold.rows])
    used = sources[(sources >= 0) & ~np.isin(sources, own) & ~background.provided]
    used = used[[not names[code].endswith(PROVIDER) for code in used.tolist()]]
    return int(used[int(rng.random() * len(used))]) if len(used) else MISSING
