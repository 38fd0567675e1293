"""From a matplotlib figure to files and to markup inside the page.

A `Drawing` is a figure with the words that belong to it. Saved files (SVG, PDF) keep the light theme and carry no date.
Inside the page the same SVG has its ids made unique, its colours replaced by CSS variables and its alternative text
attached, and holds no reference to anything outside of itself. Widths are inches.

`picture` is the one place where figures are made for pages: a figure that raises costs itself, and its place says so.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from markupsafe import Markup
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from scopedrift.reports.style import ROLES, matplotlib_settings
from scopedrift.reports.text import clean, short, slug

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
REASON: Final = 300
"""Characters of what a figure raised, at most, that a page shows."""
log = logging.getLogger("scopedrift")


@dataclass(frozen=True)
class Drawing:
    """A figure with its file name (without ending), title, caption and alternative text."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it; one that could not be drawn has a caption that says why, and nothing else."""

    name: str
    title: str
    caption: str
    markup: Markup = field(default_factory=Markup)
    saved: tuple[str, ...] = ()
    """Endings of the files beside the page."""

    def markdown(self) -> str:
        """The figure and its caption in a page of Markdown."""
        return f"![{clean(self.title)}]({self.name}.svg)\n\n{self.caption}" if self.saved else self.caption


def picture(
    name: str, draw: Callable[[], Drawing | None], folder: Path | None, *, called: str = "{}", pdf: bool = True
) -> Picture | None:
    """Draw a figure and save it as `render` does; None if there is nothing to draw.

    `called` is a format for the file's name. If drawing raises, a log line and the caption tell it, by this `name`.
    """
    try:
        with matplotlib_settings():
            drawn = draw()
        if drawn is None:
            return None
        named = replace(drawn, name=called.format(drawn.name))
        endings = () if folder is None else ("svg", "pdf") if pdf else ("svg",)
        return Picture(named.name, named.title, named.caption, render(named, folder, pdf=pdf), endings)
    except Exception as error:
        reason = f"This figure could not be drawn ({name}): {short(f'{type(error).__name__}: {error}', REASON)}"
        log.warning("%s", reason)
        return Picture(slug(called.format(name)), name, reason)


def render(drawing: Drawing, folder: Path | None, *, pdf: bool = True) -> Markup:
    """Return the drawing as markup for the page; also save it as SVG (and PDF) in `folder`, unless that is None.

    Embedding fonts makes a PDF three times as slow as all the rest, so that figures by the dozen go without.
    The canvases print the figure at once; `savefig` would draw each one twice.
    """
    with matplotlib_settings(), _quiet():
        buffer = io.StringIO()
        svg: Callable[..., None] = FigureCanvasSVG(drawing.figure).print_svg  # matplotlib has no types for it
        svg(buffer, metadata={"Date": None, "Creator": "scopedrift"})
        tree = ET.fromstring(buffer.getvalue())
        _describe(tree, drawing)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            ET.register_namespace("", SVG)
            ET.register_namespace("xlink", XLINK)
            (folder / f"{drawing.name}.svg").write_bytes(ET.tostring(tree, encoding="utf-8", xml_declaration=True))
            if pdf:
                metadata = {"CreationDate": None, "Creator": "scopedrift"}
                pdf_of: Callable[..., None] = FigureCanvasPdf(drawing.figure).print_pdf
                pdf_of(folder / f"{drawing.name}.pdf", metadata=metadata)
    return _inline(tree, drawing)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings about missing glyphs: only the PDF shows boxes, the page and the SVG show the name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def _describe(tree: ET.Element, drawing: Drawing) -> None:
    for child in list(tree):
        if child.tag == f"{{{SVG}}}metadata":
            tree.remove(child)
    for place, (tag, text) in enumerate((("title", drawing.title), ("desc", drawing.alt))):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": tag})
        element.text = text
        tree.insert(place, element)
    tree.set("role", "img")
    tree.set("aria-labelledby", "title desc")


def _inline(tree: ET.Element, drawing: Drawing) -> Markup:
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style":
                parent.remove(child)
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        paint = [f"{name}: {attributes.pop(name)}" for name in ("fill", "stroke") if name in attributes]
        if "style" in attributes or paint:
            attributes["style"] = _themed("; ".join([*paint, *filter(None, [attributes.get("style")])]))
        for name, value in attributes.items():
            attributes[name] = _own_ids(name, value, drawing.name)
        element.attrib.clear()
        element.attrib.update(attributes)
    tree.set("style", f"--natural: {float(tree.get('width', '0').removesuffix('pt')) / 72:.2f}in")
    for name in ("width", "height"):
        tree.attrib.pop(name, None)
    return Markup(ET.tostring(tree, encoding="unicode"))  # ElementTree escapes


def _themed(style: str) -> str:
    style = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var(--{ROLES[m[0]]})" if m[0] in ROLES else m[0], style)
    style = re.sub(r"font-family: [^;]+(; )?", "", style)
    return re.sub(r"(font: [^;]*?px) [^;]+", r"\1 var(--font)", style)


def _own_ids(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{prefix}-{value[1:]}"
    if name == "aria-labelledby":
        return " ".join(f"{prefix}-{part}" for part in value.split())
    return re.sub(r"url\(#", f"url(#{prefix}-", value)
