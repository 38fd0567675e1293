"""What the catalogue covers: signals, techniques, standards and chains, as tables that are generated from it.

`make pages` writes `markdown()` to `docs/coverage.md`; `python -m scopedrift.scenarios.coverage` prints it.  Standards
are ATT&CK v18.1, ATLAS 5.6.1, OWASP Non-Human Identities Top 10 2025 (`NHI5:2025`), OWASP Agentic Applications 2026
(`ASI03`), MAESTRO layers (`L4`) and NIST AI RMF 1.0 subcategories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from scopedrift.scenarios import catalogue

STANDARDS: Final[Mapping[str, str]] = {
    "attack": "ATT&CK",
    "atlas": "ATLAS",
    "nhi": "OWASP NHI",
    "asi": "OWASP ASI",
    "maestro": "MAESTRO",
    "nist": "NIST AI RMF",
}
"""Key of a technique's taxonomy -> how the standard is called."""

_NOTE: Final = """\
Where the guidance maps its signals to standards, the published lists win: identity and privilege abuse by agents is
ASI03 (with ASI02 and ASI10), not an NHI number of the agentic list; the life of credentials is NHI1 and NHI7, drift
NHI5, NHI8 and NHI9; MAESTRO has layers and no control "IAM-2"; NIST AI RMF is cited by subcategory.
"""


def standards_of(techniques: Iterable[str]) -> dict[str, list[str]]:
    """The ids of each standard (keys of `STANDARDS`) that these techniques carry, in order of first mention."""
    known = catalogue.techniques()
    chosen = [known[name].taxonomy for name in techniques]
    return {
        key: list(dict.fromkeys(each for taxonomy in chosen for each in getattr(taxonomy, key))) for key in STANDARDS
    }


def markdown() -> str:
    """The whole coverage as one Markdown page."""
    tables = [
        "# Coverage",
        "`make pages` generates this page from `scenarios/data/`; a test fails while it is stale.",
        _NOTE.strip(),
        "## Signals",
        _table(("signal", "what", "techniques", "benign look-alikes", "also"), _signals()),
        "## Techniques",
        _table(("technique", "signals", *STANDARDS.values(), "look-alikes"), _techniques()),
        "## Attack chains",
        _table(("chain", "stages", "published timing", "objective", "techniques", "source"), _chains()),
        "## Scope drift without an attacker",
        _table(("drift", "what", "techniques", "signals", "source"), _drifts()),
        "## Benign changes",
        _table(("change", "what", "looks like", "source"), _changes()),
    ]
    return "\n\n".join(tables) + "\n"


def _signals() -> Iterator[Sequence[str]]:
    techniques = catalogue.techniques()
    for signal, entry in catalogue.signals().items():
        mine = [name for name, each in techniques.items() if signal in each.signals]
        alike = dict.fromkeys(change for name in mine for change in techniques[name].look_alikes)
        words = {"knobs": "knobs", "families": "workloads", "knowledge": "knowledge"}
        also = [f"{word} {_listed(found)}" for key, word in words.items() if (found := getattr(entry, key))]
        yield signal, entry.description, _listed(mine), _listed(alike), "; ".join(also)


def _techniques() -> Iterator[Sequence[str]]:
    for name, entry in catalogue.techniques().items():
        ids = [", ".join(getattr(entry.taxonomy, key)) for key in STANDARDS]
        yield name, ", ".join(entry.signals), *ids, ", ".join(entry.look_alikes)


def _chains() -> Iterator[Sequence[str]]:
    for name, entry in catalogue.chains().items():
        stages = str(len(entry.stages))
        yield name, stages, entry.published, entry.objective, ", ".join(entry.techniques), entry.source


def _drifts() -> Iterator[Sequence[str]]:
    known = catalogue.techniques()
    for name, entry in catalogue.drifts().items():
        signals = dict.fromkeys(signal for each in entry.techniques for signal in known[each].signals)
        yield name, entry.description, ", ".join(entry.techniques), ", ".join(signals), entry.source


def _changes() -> Iterator[Sequence[str]]:
    techniques = catalogue.techniques()
    for name, entry in catalogue.changes().items():
        alike = [each for each, technique in techniques.items() if name in technique.look_alikes]
        yield name, entry.description, ", ".join(alike), entry.source


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    print(markdown(), end="")
