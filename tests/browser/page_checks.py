"""Check pages with axe, for horizontal scrolling and for the size of targets."""

import json
from collections.abc import Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.browser_user import DESKTOP, PHONE

RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]}
COLOR_RULES = {"type": "rule", "values": ["color-contrast"]}
"""Rules to check in the dark theme, which differs in its colors only."""
MIN_TARGET_PX = 44

WIDTHS = (360, 768, 1024, 1280, 1920)
"""Widths in px at which layouts change or are common: small phone, tablet, small and usual laptop, desktop."""

HORIZONTAL_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """(thumb) => {
  const shown = (one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true});
  const target = (one) => (one.matches('[type=checkbox], [type=radio]') && one.closest('label, .form-check')) || one;
  const wanted = 'button, .btn, .chip, summary, .tabs a, .menu-item, select, textarea, input:not([type=hidden])';
  return [...document.querySelectorAll(wanted)].filter(shown).map(target).map((one) => {
    const box = one.getBoundingClientRect();
    return [one.outerHTML.slice(0, 120), Math.round(box.width * 10) / 10, Math.round(box.height * 10) / 10];
  }).filter(([_html, wide, high]) => wide > 2 && (high < thumb - 0.5 || wide < thumb - 0.5));
}"""

# Measure the longest part without a space inside the heading, in its own font, without wrapping.
NARROW_HEADINGS = """() => [...document.querySelectorAll('h1')].filter((h1) => h1.checkVisibility()).flatMap((h1) => {
  const ruler = document.createElement('span');
  ruler.style.cssText = 'position: absolute; visibility: hidden; white-space: nowrap';
  const words = h1.innerText.split(/\\s+/).filter(Boolean);
  h1.append(ruler);
  const width = (word) => { ruler.textContent = word; return ruler.getBoundingClientRect().width; };
  const [longest, wanted] = words.map((word) => [word, width(word)]).reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
  ruler.remove();
  const found = h1.clientWidth;
  return wanted === 0 || found + 1 < wanted ? [[longest, Math.round(wanted), found]] : [];
})"""


def check_page(page: Page) -> Iterator[str]:
    """Yield every problem of the page, on a phone and on a desktop, in the light and the dark theme."""
    page.evaluate(Axe().axe_script)
    for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        for problem in _run_axe(page, RULES):
            yield f"{name}: {problem}"
        yield from _find_layout_problems(page)
        page.emulate_media(color_scheme="dark")
        for problem in _run_axe(page, COLOR_RULES):
            yield f"{name}, dark: {problem}"


def check_page_quickly(page: Page) -> Iterator[str]:
    """Yield the problems that longer translations can cause: all checks on a phone, the width on a desktop."""
    page.evaluate(Axe().axe_script)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    yield from _run_axe(page, RULES)
    yield from _find_layout_problems(page)
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    yield from _find_layout_problems(page)


def _run_axe(page: Page, rules: dict[str, Any]) -> Iterator[str]:
    options = json.dumps({"runOnly": rules, "resultTypes": ["violations"]})
    violations = page.evaluate(f"axe.run({options}).then((results) => results.violations)")
    for violation in violations:
        for node in violation["nodes"]:
            yield f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[1].strip()[:200]})"


def _find_layout_problems(page: Page) -> Iterator[str]:
    overflow = page.evaluate(HORIZONTAL_OVERFLOW)
    if overflow > 0:
        yield f"{overflow} px wider than the window"
    for html, wide, high in page.evaluate(SMALL_TARGETS, MIN_TARGET_PX):
        yield f"too small a target: {wide}×{high} {html}"


def find_width_problems(page: Page) -> Iterator[str]:
    """Yield each width at which a heading breaks inside its longest part, or the page scrolls sideways.

    The page is loaded once and its window is resized, because the layout depends on the width only.
    """
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for word, needed, available in page.evaluate(NARROW_HEADINGS):
            yield f"at {width} px: the heading is {available} px wide, its longest word {word!r} {needed} px"
        overflow = page.evaluate(HORIZONTAL_OVERFLOW)
        if overflow > 0:
            yield f"at {width} px: {overflow} px wider than the window"
