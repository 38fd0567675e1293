"""A small catalogue and library of their own, so that these tests do not depend on what the real ones hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopedrift.scenarios import catalogue, loader

CATALOGUE = {
    "workloads/training.yaml": """
        description: Pipelines that
          train models.
        parameters:
          pipelines: {default: 4, min: 0, max: 500, source: assumed, description: How many.}
          spread: {default: 0.5, min: 0, max: 1}
          lifetime: {default: 5m, min: 1s, max: 2d, unit: duration}
          scheduler: {default: fifo, choices: [fifo, fair]}
          nightly: {default: true}
          hours: {default: [1, 2.5], min: 0}
          waits: {default: [1m, 2m], unit: duration}
        stages: [data, train]
        """,
    "workloads/inference.yaml": "{description: Answers., parameters: {models: {default: 3, min: 1}}}",
    "workloads/serverless.yaml": "{description: Functions., parameters: {}}",
    "changes/registry-migration.yaml": "{description: Moves., parameters: {lasts: {default: 3d, unit: duration}}}",
    "drifts/adjacent-storage.yaml": "{description: Reads., parameters: {reads: {default: 40, min: 1}}}",
    "chains/tj-actions.yaml": "{description: Steals., parameters: {pause: {default: 10m, unit: duration}}}",
    "techniques.yaml": "{T1: {description: One., tactic: impact}}",
    "operations.yaml": "{defaults: {error: 0.1}, operations: {a.read: {access: read}, a.write: {error: 0.2}}}",
    "platform.yaml": "{rhythm: {0.5: 1, 2: 3}}",
}


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("\n".join(line[indent:] for line in lines).lstrip("\n"), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def catalogue_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("catalogue"), CATALOGUE)


@pytest.fixture(autouse=True)
def small_world(catalogue_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Points the catalogue and the library at folders of the test; gives the library's."""
    library = write_files(
        tmp_path / "library",
        {
            "core-week.yaml": """
                name: core-week
                description: A
                  week.
                version: 3
                horizon: 14d
                windows: {baseline: 7d, calibration: 3d}
                workloads:
                  training: {pipelines: 7, spread: 0.25}
                  inference: {}
                incidents:
                  - {attack: tj-actions}
                """
        },
    )
    monkeypatch.setattr(catalogue, "root", lambda: catalogue_folder)
    monkeypatch.setattr(loader, "library_root", lambda: library)
    return library
