"""Reading the catalogue's files into its models, each once; what is wrong is said with file, line and key."""

from __future__ import annotations

import functools
from importlib.resources.abc import Traversable
from typing import TypeVar

from scopedrift.scenarios.catalogue.entry import Entry, Known
from scopedrift.scenarios.documents import Document, KeyPath, ScenarioError, shown
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.shipped import read_shipped

AnyEntry = TypeVar("AnyEntry", bound=Entry)


@functools.cache
def read_folder(root: Traversable, name: str, model: type[AnyEntry], known: Known) -> dict[str, AnyEntry]:
    """The entries of a folder: one file each, named after it."""
    folder = root / name
    files = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {
        file.name.removesuffix(".yaml"): read_file(file, f"{name}/{file.name}", model, known)  # type: ignore[arg-type]
        for file in files
        if file.name.endswith(".yaml")
    }


@functools.cache
def read_entries(root: Traversable, name: str, model: type[AnyEntry], known: Known) -> dict[str, AnyEntry]:
    """The entries of one file."""
    if not (root / name).is_file():
        return {}
    document = read_shipped(root / name, name)
    return {entry: _read(document, (entry,), entry, value, model, known) for entry, value in document.value.items()}


@functools.cache
def read_file(file: Traversable, label: str, model: type[AnyEntry], known: Known) -> AnyEntry:
    """The one entry that a file is; messages call it `label`."""
    document = read_shipped(file, label)
    return _read(document, (), file.name.removesuffix(".yaml"), document.value, model, known)


def _read(document: Document, key: KeyPath, name: str, value: object, model: type[AnyEntry], known: Known) -> AnyEntry:
    if not isinstance(value, dict) or "name" in value:
        raise ScenarioError(document.problem(f"expected a mapping without a name, not {shown(value)}", key))
    entry = validated(model, {**value, "name": name}, document, key, known)
    entry.keep(document)
    return entry
