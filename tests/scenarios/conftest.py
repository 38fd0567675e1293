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
        activities: {read: {sequence: [a.read]}}
        """,
    "workloads/inference.yaml": "{description: Answers., parameters: {models: {default: 3, min: 1}}}",
    "workloads/serverless.yaml": "{description: Functions., parameters: {}}",
    "changes/registry-migration.yaml": """
        description: Moves.
        parameters: {lasts: {default: 3d, unit: duration}}
        lasts: 2d
        effects: [{restart: true}]
        """,
    "drifts/adjacent-storage.yaml": """
        description: Reads.
        parameters: {reads: {default: 40, min: 1}}
        objective: none
        victims: {families: [training]}
        stages:
          - {name: reads, technique: T1, impact: true}
        """,
    "chains/tj-actions.yaml": """
        description: Steals.
        parameters: {pause: {default: 10m, unit: duration}}
        objective: theft
        published: nothing
        victims: {families: [training, retired]}
        stages:
          - {name: waits, technique: T1, wait: 95d, lasts: 1s}
          - one_of:
              - {name: takes, technique: T1, share: 0.3}
              - {name: steals, technique: T1, share: 0.7, impact: true}
        """,
    "techniques.yaml": """
        T1:
          description: One.
          signals: [S1]
          activity: {mix: {a.read: 3, a.write: 1}}
          needs: [a.read]
          targets: {dataset: adjacent-dataset}
          count: [3, 12]
          look_alikes: [registry-migration, training]
          taxonomy: {attack: [T1496], atlas: [], nhi: [], asi: [], maestro: [], nist: []}
        """,
    "signals.yaml": "S1: {description: Jobs., families: [training]}",
    "operations.yaml": """
        a.read: {stream: cloud_audit, service: a, operation: Read, access: read, slot: dataset}
        a.write: {stream: cloud_audit, service: a, operation: Write, access: write, slot: output, error: 0.2}
        """,
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
