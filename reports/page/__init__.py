"""The page: Jinja2 templates (autoescape on), one style sheet and one small script, all put into the one HTML file.

The script is allowed by its hash; everything else that could run or connect is forbidden by the page's own policy.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scopedrift.reports.style import DARK, LIGHT
from scopedrift.reports.text import DASH, clean, duration, number, percent, short, slug

HERE = Path(__file__).parent


def render_page(template: str, **values: Any) -> str:
    """Return the finished page."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = _variables() + (HERE / "page.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template(template)
        .render(**values, style=Markup(style), script=Markup(script), script_digest=digest)
    )


@cache
def _environment() -> Environment:
    """Where templates are compiled, each one once."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "duration": duration,
        "moment": moment,
        "percent": percent,
        "slug": slug,
        "short": short,
    }
    return environment


def moment(time: pd.Timestamp) -> str:
    """Return a time in UTC, to the second; a missing one is an en dash."""
    return DASH if pd.isna(time) else f"{time:%Y-%m-%d %H:%M:%S}"


def _finalize(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _variables() -> str:
    light = "".join(f"--{name}:{colour};" for name, colour in LIGHT.items())
    dark = "".join(f"--{name}:{colour};" for name, colour in DARK.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
