"""What a simulated log comes from, on disk beside it: its scenario, and what its deployment declares (`world.json`).

With the log and its truth, the folder is a whole world: detectors that need knowledge can be judged on it, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import msgspec

from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.loader import load_text
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.simulator.world.policy import Deployment

FORMAT: Final = "scopedrift-world/1"
WORLD: Final = "world.json"


class WorldFile(msgspec.Struct, frozen=True):
    """The contents of the file."""

    format: str
    scenario: str
    """YAML."""
    deployment: Deployment


def save_setting(scenario: Scenario, deployment: Deployment, folder: Path) -> None:
    """Write scenario and deployment into the folder of their log."""
    plain = msgspec.to_builtins(WorldFile(FORMAT, scenario.to_yaml(), deployment), order="deterministic")
    (folder / WORLD).write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def load_setting(folder: Path) -> tuple[Scenario, Deployment]:
    """The scenario and the deployment of a simulated log.

    Raises `LogFormatError` if there are none, or if they are damaged.
    """
    try:
        held = msgspec.json.decode((folder / WORLD).read_bytes(), type=WorldFile)
        if held.format != FORMAT:
            raise ValueError(f"expected the format {FORMAT!r}")
        return load_text(held.scenario, source=WORLD), held.deployment
    except FileNotFoundError:
        raise LogFormatError(f"{folder}: no world beside the log ({WORLD} is missing)") from None
    except (OSError, ValueError, RecursionError, ScenarioError) as error:
        raise LogFormatError(f"{folder / WORLD}: damaged world ({' '.join(str(error).split())})") from None
