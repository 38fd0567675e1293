"""Reproducing the published results: the leaderboard, and claims that are tested."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.spec import parse
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, new_folder
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.claims import examine
from scopedrift.experiments.running.claims import table as claims_table
from scopedrift.judging import sweep
from scopedrift.reports.claims import write_claims
from scopedrift.reports.leaderboard import write_leaderboard
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.claim import Claim, load_claims
from scopedrift.scenarios.release import release
from scopedrift.scenarios.seal import Seal
from scopedrift.scenarios.seeds import fit_for_results
from scopedrift.scenarios.suite import Plan, load_suite

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.results import Results

MARKER: Final = "reproduce.json"
"""The file that marks a folder of reproduced results."""
SEALED: Final = "run.json"
"""The file that tells `seal reveal` of a leaderboard what it tells of a run."""
BOARD: Final = "leaderboard"
SUITE, QUICK_SUITE, QUICK_SEEDS = "full-2", "quick", 3


@dataclass(frozen=True, eq=False, repr=False)
class Reproduction:
    """Published results, measured again.

    Attributes:
        folder: Where the pages, tables and figures are.
        facts: Command, version, date and size.
        board: The results of the suite; None if not asked for.
        claims: The table `claims`: one row for each claim, setting and detector; None if not asked for.
    """

    folder: Path
    facts: Mapping[str, str]
    board: Results | None
    claims: pd.DataFrame | None

    def _repr_html_(self) -> str:
        tables = {"Leaderboard": self.board.table if self.board else None, "Claims": self.claims}
        return fragment([], {title: table for title, table in tables.items() if table is not None})


def reproduce(
    names: Sequence[str] = (),
    out: str | Path = RUNS / "reproduce" / "results",
    *,
    quick: bool = False,
    board: Plan | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Reproduction:
    """Measure the published results again: the leaderboard, and the claims that are tested.

    Finished cells stay in `runs/`, so a stopped call resumes. The whole takes hours.

    Args:
        names: Claim names, or `leaderboard`. Default: everything.
        out: Folder for pages, tables and figures.
        quick: Only three worlds, the first and last settings of each claim, and the suite `quick`.
        board: The plan of the leaderboard, such as `board_plan("board-core", seal=...)`. Default: the suite `full-2`.
        jobs: Number of local processes.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        ScenarioError: A claim does not exist.
        ClaimError: A cell of a claim failed.
        UsageError: `out` holds other files, or the suite uses development worlds.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.reproduce(["short-ttl-stops-chains"], "found", quick=True)
        >>> found.claims["verdict"].unique().tolist()
        ['holds']
    """
    asked = tuple(dict.fromkeys(names))
    plan = board_plan(QUICK_SUITE if quick else SUITE, quick=quick) if board is None else board
    ranking = not asked or BOARD in asked
    chosen = load_claims(*(name for name in asked if name != BOARD)) if asked != (BOARD,) else ()
    if quick:
        chosen = tuple(claim.quick() for claim in chosen)
    facts = {
        "made by": f"`{shlex.join(['scopedrift', 'reproduce', *asked, *_options(plan, quick, ranking)])}`",
        "scopedrift": release(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "size": "quick: three worlds, too few to conclude from" if quick else "full",
    }
    share = (0.5 if chosen else 1.0) if ranking else 0.0
    with new_folder(Path(out), MARKER) as folder:
        ranked = _leaderboard(plan, folder / BOARD, facts, jobs, part_of(progress, 0.0, share)) if ranking else None
        rest = part_of(progress, share, 1.0 - share)
        found = _claims(chosen, folder / "claims", facts, jobs, rest) if chosen else None
        (folder / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return Reproduction(Path(out), facts, ranked, found)


def _options(plan: Plan, quick: bool, ranking: bool) -> list[str]:
    """The options that make the same worlds and rows again; the secret's file has a name of its owner's."""
    own = ["--quick"] if quick else []
    if not ranking:
        return own
    own += ["--suite", plan.suite.name] if not quick and plan.suite.name != SUITE else []
    own += ["--seal", "secret.txt"] if plan.seal else []
    rules = [parse(spec).parameters["rules"] for spec in plan.suite.detectors if spec.startswith("sigma(rules=")]
    return [*own, *(word for place in rules for word in ("--rules", str(place)))]


def _leaderboard(plan: Plan, folder: Path, facts: Mapping[str, str], jobs: int, progress: Progress) -> Results:
    """Sweep the suite and write its page."""
    place = RUNS / f"sweep-{plan.suite.name}-v{plan.suite.version}"
    swept = sweep(plan, place, jobs=jobs, progress=progress)
    seeds = plan.suite.seeds
    suite = f"{plan.suite.name}, version {plan.suite.version}, {len(seeds)} worlds a scenario: {swept.facts['worlds']}"
    about = {**facts, "suite": f"{suite}, digest {plan.digest[:16]}"}
    about |= {"seal": f"SHA-256 {plan.seal.hash}, revealed later"} if plan.seal else {}
    write_leaderboard(swept.tables, folder, title=f"Leaderboard: {plan.suite.name}", facts=about)
    sealed = {"seal": plan.seal.hash} if plan.seal else {}
    (folder / SEALED).write_text(json.dumps({**facts, **sealed}, indent=2) + "\n", encoding="utf-8")
    return swept


def board_plan(
    suite: str = SUITE, *, quick: bool = False, seal: str | Path | None = None, rules: str | None = None
) -> Plan:
    """The plan of a leaderboard: a suite on sealed worlds, with a row for Sigma rules from a checkout of yours.

    `rules` is a folder such as `sigma/rules/cloud`; the row is called by it.  Raises `UsageError` if the suite uses
    worlds on which detectors were written, `ScenarioError` if there is no such suite or no secret in the file.
    """
    plan = load_suite(suite)
    try:
        plan = plan.with_seeds(fit_for_results(plan.suite.seeds[:QUICK_SEEDS] if quick else plan.suite.seeds))
    except ValueError as error:
        raise UsageError(f"suite {plan.suite.name}: {error}") from None
    plan = plan.with_detectors([*plan.suite.detectors, f"sigma(rules={rules})"]) if rules else plan
    return plan.sealed(Seal.read(Path(seal))) if seal else plan


def _claims(
    chosen: Sequence[Claim], folder: Path, facts: Mapping[str, str], jobs: int, progress: Progress
) -> pd.DataFrame:
    """Examine the claims and write their page."""
    found = []
    for at, claim in enumerate(chosen):
        part = part_of(progress, at / len(chosen), 1 / len(chosen))
        found.append(examine(claim, RUNS / "reproduce", jobs=jobs, progress=part))
    frame = claims_table(found)
    write_claims(frame, folder, facts)
    return frame
