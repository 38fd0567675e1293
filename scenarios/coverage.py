"""What the catalogue covers: signals, techniques, standards and chains, as tables that are generated from it.

`docs/coverage.md` is `markdown()`; a test holds the two together.  Standards are ATT&CK v18.1, ATLAS 5.6.1, OWASP
Non-Human Identities Top 10 2025 (`NHI5:2025`), OWASP Agentic Applications 2026 (`ASI03`), MAESTRO layers (`L4`)
and NIST AI RMF 1.0 subcategories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

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


def stages_of(template: catalogue.Entry) -> Iterator[Mapping[str, Any]]:
    """Every stage that a chain or drift may have, branches included."""
    for stage in template.data["stages"]:
        yield from stage.get("one_of", [stage])


def techniques_of(template: catalogue.Entry) -> list[str]:
    """The techniques of a chain or drift, in order of first use."""
    return list(dict.fromkeys(stage["technique"] for stage in stages_of(template)))


def standards_of(techniques: Iterable[str]) -> dict[str, list[str]]:
    """The ids of each standard (keys of `STANDARDS`) that these techniques carry, in order of first mention."""
    known = catalogue.techniques()
    chosen = [known[name].data["taxonomy"] for name in techniques]
    return {key: list(dict.fromkeys(each for taxonomy in chosen for each in taxonomy[key])) for key in STANDARDS}


def surface_of(change: str) -> frozenset[str]:
    """The operations in which a benign change shows: what it does, and what it changes of what workloads do."""
    operations, families = catalogue.operations(), catalogue.families()
    data = catalogue.changes()[change].data
    found: set[str] = set()
    for effect in data["effects"]:
        if "burst" in effect:
            found |= operations_of(effect["burst"]["activity"])
        if "rebind" in effect:
            found |= {name for name, entry in operations.items() if entry.data["slot"] in effect["rebind"]}
        if "migrate_registry" in effect or "relocate" in effect:
            found |= {name for name, entry in operations.items() if entry.data.get("image")}
        if "restart" in effect:
            flows = catalogue.platform()["credentials"].values()
            found |= {step for kind in flows for step in kind["flow"]}
        if "surge" in effect:
            chosen = [families[name] for name in data.get("scope", {}).get("families", families) if name in families]
            found |= {
                o for family in chosen for spec in family.data["activities"].values() for o in operations_of(spec)
            }
    return frozenset(found)


def operations_of(activity: Mapping[str, Any]) -> set[str]:
    """The operations that an activity may log."""
    entries = [*activity.get("sequence", ()), *activity.get("mix", ())]
    return {operation for entry in entries for operation in entry.split(" > ")}


def markdown() -> str:
    """The whole coverage as one Markdown page."""
    tables = [
        "# Coverage",
        "Generated from `scenarios/data/` by `scopedrift.scenarios.coverage`; a test holds it to the catalogue.",
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
        mine = [name for name, each in techniques.items() if signal in each.data["signals"]]
        alike = dict.fromkeys(change for name in mine for change in techniques[name].data["look_alikes"])
        words = {"knobs": "knobs", "families": "workloads", "knowledge": "knowledge"}
        also = [f"{word} {_listed(entry.data[key])}" for key, word in words.items() if key in entry.data]
        yield signal, entry.description, _listed(mine), _listed(alike), "; ".join(also)


def _techniques() -> Iterator[Sequence[str]]:
    for name, entry in catalogue.techniques().items():
        ids = [", ".join(entry.data["taxonomy"][key]) for key in STANDARDS]
        yield name, ", ".join(entry.data["signals"]), *ids, ", ".join(entry.data["look_alikes"])


def _chains() -> Iterator[Sequence[str]]:
    for name, entry in catalogue.chains().items():
        data = entry.data
        stages = str(len(data["stages"]))
        yield name, stages, data["published"], data["objective"], ", ".join(techniques_of(entry)), data["source"]


def _drifts() -> Iterator[Sequence[str]]:
    known = catalogue.techniques()
    for name, entry in catalogue.drifts().items():
        mine = techniques_of(entry)
        signals = dict.fromkeys(signal for each in mine for signal in known[each].data["signals"])
        yield name, entry.description, ", ".join(mine), ", ".join(signals), entry.data["source"]


def _changes() -> Iterator[Sequence[str]]:
    techniques = catalogue.techniques()
    for name, entry in catalogue.changes().items():
        alike = [each for each, technique in techniques.items() if name in technique.data["look_alikes"]]
        yield name, entry.description, ", ".join(alike), entry.data["source"]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
