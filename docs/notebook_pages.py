"""The notebooks of the documentation: run when it is built, shown with their output; one that fails, fails the build.

They are kept as plain text (jupytext, percent format), so that changes can be read.  Each runs in a folder of its own.
"""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jupytext
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

FOLDER: Final = Path(__file__).parent / "notebooks"
PATIENCE_S: Final = 1_800
"""Seconds that one cell may take on a slow machine."""


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook, and the pictures that it shows."""
    for source in sorted(FOLDER.glob("*.py")):
        text, pictures = page(source)
        files.append(File.generated(config, f"notebooks/{source.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files


def page(source: Path) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook that was run, and its pictures by file name.

    Raises `PluginError`, which ends the build, if a cell fails.
    """
    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as folder:
        local = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})  # no ports are opened
        client = NotebookClient(notebook, timeout=PATIENCE_S, config=local, resources={"metadata": {"path": folder}})
        try:
            client.execute()
        except CellExecutionError as error:
            raise PluginError(f"{source}: the notebook fails: {error}") from error
    pictures: dict[str, bytes] = {}
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.source.strip():
            parts.append(f"```python\n{cell.source}\n```")
            parts += [_shown(output, source.stem, pictures) for output in cell.outputs]
    link = f"This page is a notebook that ran when it was built: `docs/notebooks/{source.name}`."
    return "\n\n".join([*filter(None, parts), f"*{link}*"]) + "\n", pictures


def _shown(output: Any, stem: str, pictures: dict[str, bytes]) -> str:
    """One output as Markdown: a picture, a table or text, the richest that there is."""
    if output.output_type == "stream":
        return _text(output.text)
    data = output.data
    if "image/png" in data:
        name = f"{stem}-{len(pictures) + 1}.png"
        pictures[name] = base64.b64decode(data["image/png"])
        return f'<figure class="output" markdown="0"><img src="{name}" alt="Figure {len(pictures)}"></figure>'
    if "text/html" in data:
        return f'<div class="output">\n{"".join(_lines(data["text/html"]))}</div>'
    return _text(data.get("text/plain", ""))


def _lines(markup: str) -> Iterator[str]:
    """The lines of a piece of HTML without blank ones, at which Markdown would end it, and without styles of pandas."""
    inside = False
    for line in markup.splitlines():
        inside = inside or "<style" in line
        if line.strip() and not inside:
            yield line.strip() + "\n"
        inside = inside and "</style>" not in line


def _text(text: str) -> str:
    return f'<pre class="output">{html.escape(text.rstrip())}</pre>' if text.strip() else ""
