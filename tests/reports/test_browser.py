"""The page in a real browser: silent, offline, sortable, filterable, readable in both themes and on a narrow screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scopedrift.reports import write_alert_report

CONTRAST = """(() => {
  const linear = (x) => (x <= 10 ? x / 3294.6 : ((x / 255 + 0.055) / 1.055) ** 2.4);
  const light = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.querySelector("section")).backgroundColor);
  const ratio = (own) => (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
  const words = [...document.querySelectorAll("section p, td, th, figcaption, dd, caption, .tag, .verdict")];
  const marks = [...document.querySelectorAll("#figure-time-to-detect svg text")];
  const colours = [...words.map((e) => getComputedStyle(e).color), ...marks.map((e) => getComputedStyle(e).fill)];
  return Math.min(...colours.map((c) => ratio(light(c))));
})()"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 400])
def test_silent_offline_and_no_wider_than_the_screen(browser: Any, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('figure svg').length") >= 19
    assert browser.run("document.querySelector('h1').textContent") == "<script>alert(1)</script>"
    assert browser.run(CONTRAST) >= 4.5


def test_figures_have_a_size_and_follow_the_theme(browser: Any, page: Path) -> None:
    browser.open(page)
    shown = "[...document.querySelectorAll('figure svg')].filter((s) => s.checkVisibility())"
    small = f"{shown}.filter((s) => s.getBoundingClientRect().height < 80).length"
    assert browser.run(small) == 0
    colour = "getComputedStyle(document.querySelector('figure svg text')).fill"
    before = browser.run(colour)
    browser.run("document.getElementById('theme').click()")
    assert browser.run(colour) != before
    assert browser.run("document.documentElement.dataset.theme") == "dark"


def test_sorting(browser: Any, page: Path) -> None:
    browser.open(page)
    head = "[...document.querySelectorAll('#results-table th')].find((h) => h.textContent === 'Median time to detect')"
    column = "[...document.querySelectorAll('#results-table tbody tr')]"
    column += f".map((r) => r.cells[{head}.cellIndex].dataset.sort)"
    browser.run(f"{head}.querySelector('button').click()")
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    rising = [float(x) for x in browser.run(column)]
    assert rising == sorted(rising)
    browser.run(f"{head}.querySelector('button').click()")
    falling = [float(x) for x in browser.run(column)]
    known = [x for x in falling if x != float("inf")]
    assert known == sorted(known, reverse=True) and falling[len(known) :] == [float("inf")] * (
        len(falling) - len(known)
    )
    assert browser.run("document.querySelectorAll('#results-table [aria-sort]').length") == 1
    browser.run("document.querySelector('#results-table th button').click()")
    names = browser.run(
        "[...document.querySelectorAll('#results-table tbody th')].map((h) => h.textContent.toLowerCase())"
    )
    assert names == sorted(names)


def test_filtering(browser: Any, page: Path) -> None:
    browser.open(page)
    show = (
        "(() => { const i = document.querySelector('[data-filter=results-table]');"
        " i.value = %r; i.dispatchEvent(new Event('input')); })()"
    )
    count = "[...document.querySelectorAll('#results-table tbody tr')].filter((r) => r.checkVisibility()).length"
    browser.run(show % "FIRST-seen")
    assert browser.run(count) == 1
    assert browser.run("document.querySelector('output').textContent") == "1 of 9 rows"
    browser.run(show % "")
    assert browser.run(count) == 9


def test_print_opens_what_is_folded(browser: Any, page: Path) -> None:
    browser.open(page, dark=True)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('section p')).color") == "rgb(31, 35, 40)"
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_alert_report(browser: Any, tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    path = write_alert_report(tables["alerts"].head(60), tmp_path, title="<img src=x onerror=alert(1)>", meta={})
    browser.open(path, width=400)
    assert browser.problems() == [] and browser.requests() == [path.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= 400
    assert browser.run("document.querySelectorAll('#alerts-table tbody tr').length") == 60
