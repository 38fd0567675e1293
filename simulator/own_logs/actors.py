"""Who acts: identities of the log, and what the adversary (or the drifting workload) has in its hands there.

The log tells what an identity calls, not what it may call: permissions are unknown.  What it tells is taken as
evidence: a call that was refused to the identity, and never granted, is refused again.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Call, Calls
from scopedrift.simulator.records.errors import LogError

SURVEYED = (3, 8)
"""Possible victims that are compared, at strength 0 and 1, as in simulated incidents (assumed)."""
OUTSIDE = 0.7
"""Chance at strength 0 that a stolen credential is used from elsewhere, as in simulated incidents (assumed)."""
LEAST = 3
"""Events that an identity needs to be chosen as a victim: with fewer, nothing of it is known (assumed)."""


@dataclass(frozen=True)
class Hold:
    """What the adversary holds: it acts as `identity`, in the place (source, workload, task) of the rows `place`."""

    identity: int
    rows: Array
    """The identity's rows."""
    place: Array
    source: int = MISSING
    """Code of the source that it calls from; -1: that of the place."""
    images: dict[str, int] = field(default_factory=dict)

    def moment(self, background: Background, time: int, stream: int, call: Call) -> tuple[int, int]:
        """The latest rows, of the identity and of the place, before `time`: of the call, else of the stream."""
        found = []
        for rows in (self.rows, self.place):
            made = background.made(int(background.columns["identity"][rows[0]]), call.rows)
            found.append(_latest(background, made if len(made) else rows, time, stream))
        return found[0], found[1]

    def refuses(self, background: Background, call: Call) -> bool:
        """Whether the log shows the call refused to the identity, and never granted."""
        made = background.columns["outcome"][background.made(self.identity, call.rows)]
        outcomes = {background.vocabulary["outcome"][code] for code in np.unique(made[made >= 0]).tolist()}
        return "denied" in outcomes and "success" not in outcomes


def _latest(background: Background, rows: Array, time: int, stream: int) -> int:
    same = rows[background.columns["stream"][rows] == stream]
    rows = same if len(same) else rows
    at = int(np.searchsorted(background.columns["arrived"][rows], time, side="right"))
    return int(rows[max(at - 1, 0)])


def named(background: Background, wanted: str) -> int:
    """The code of the identity called `wanted`, or of the only one whose name has it as a part.

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
        raise LogError(f"{len(found)} identities of the log have {wanted!r} in their names: {shown}")
    close = difflib.get_close_matches(wanted, names, 1, 0.4) or sorted(names, key=lambda n: -_size(background, n))[:1]
    raise LogError(f"no identity {wanted!r} in the log" + (f"; did you mean {close[0]!r}?" if close else ""))


def _size(background: Background, name: str) -> int:
    return len(background.of_identity(background.vocabulary["identity"].find(name)))


def victims(background: Background) -> dict[int, int]:
    """The identities that may be chosen, with their events before the test part; no service of the provider is.

    Where none qualifies, all that have been seen.  Raises `LogError` if no record tells an identity.
    """
    names = background.vocabulary["identity"]
    known = background.columns["identity"][: background.until]
    counts = np.bincount(known[known >= 0], minlength=len(names))
    chosen = [c for c in np.flatnonzero(counts >= LEAST).tolist() if not names[c].endswith(".amazonaws.com")]
    chosen = chosen or np.flatnonzero(counts).tolist()
    if not chosen:
        raise LogError("no record before the test part tells an identity: nobody could act in an incident")
    return {code: int(counts[code]) for code in chosen}


def pick(
    background: Background,
    calls: Calls,
    candidates: Mapping[int, int],
    techniques: Sequence[str],
    strength: float,
    rng: np.random.Generator,
) -> int:
    """Of some candidates that are surveyed, the active more often: the one that does most of what is needed anyway."""
    least, most = SURVEYED
    number = least + round(strength * (most - least))
    shares = np.array(list(candidates.values()), float)
    surveyed = rng.choice(list(candidates), number, p=shares / shares.sum()).tolist()
    return int(max(surveyed, key=lambda code: use(background, calls, code, techniques)))


def use(background: Background, calls: Calls, identity: int, techniques: Sequence[str]) -> float:
    """The share of the techniques' needed calls that the identity makes, but for those refused to it."""
    needs = [calls[need] for name in techniques for need in catalogue.techniques()[name].needs]
    own = background.of_identity(identity)
    hold = Hold(identity, own, own)
    made = sum(len(background.made(identity, c.rows)) > 0 and not hold.refuses(background, c) for c in needs)
    return made / max(len(needs), 1)


def take(
    background: Background, identity: int, foothold: str, time: int, strength: float, rng: np.random.Generator
) -> Hold:
    """Begin: in the victim's own place, with its credential elsewhere, or as another workload under its identity."""
    own = background.of_identity(identity)
    hold = Hold(identity, own, own)
    others = [code for code in victims(background) if code != identity]
    if foothold in ("workload", "task") or not others:
        return hold
    other = background.of_identity(others[int(rng.random() * len(others))])
    if foothold == "copy":
        return replace(hold, place=other)
    if rng.random() < OUTSIDE * (1.0 - strength):
        source = int(background.columns["source"][_latest(background, other, time, MISSING)])
        return replace(hold, source=source)
    return hold


def move_on(
    background: Background,
    calls: Calls,
    hold: Hold,
    ahead: Sequence[str],
    strength: float,
    rng: np.random.Generator,
) -> Hold:
    """Take another identity's credential if it is of more use for what is ahead."""
    others = {code: count for code, count in victims(background).items() if code != hold.identity}
    if not others:
        return hold
    other = pick(background, calls, others, ahead, strength, rng)
    if use(background, calls, other, ahead) <= use(background, calls, hold.identity, ahead):
        return hold
    rows = background.of_identity(other)
    if rng.random() < strength:
        return Hold(other, rows, rows)
    return Hold(other, rows, hold.place, hold.source)
