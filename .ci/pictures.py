"""Update the README's pictures in docs/pictures: build a demo and take a screenshot of each page in Chromium."""

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import servers  # noqa: E402 - needs the path of the checkout; starts the browser

PICTURES = ROOT / "docs" / "pictures"
PHONE, DESK = {"width": 390, "height": 760}, {"width": 1180, "height": 760}
PAGES: tuple[tuple[str, str, str, dict[str, int]], ...] = (
    ("my-day", "teacher", "/my-day", PHONE),
    ("families", "teacher", "/families", PHONE),
    ("calendar", "teacher", "/me/calendar", PHONE),
    ("my-pay", "teacher", "/pay", PHONE),
    ("asking", "coordinator", "/asking", DESK),
    ("approvals", "coordinator", "/approvals", DESK),
    ("tally", "union", "/tally", DESK),
    ("delivery", "lead", "/delivery", DESK),
    ("attendance", "lead", "/attendance", DESK),
)


def wait_until_ready(address: str) -> None:
    """Wait until the demo responds."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("the demo did not start")


def sign_in(page: Any, part: str, address: str, path: str) -> None:
    """Sign in with a role of the demo and open a page."""
    page.goto(f"{address}/demo/")
    button = f"form[action$='/demo/be']:has(input[name=part][value={part}]) button, button[name=part][value={part}]"
    page.locator(button).first.click()
    page.goto(f"{address}{path}")


def take_screenshot(page: Any, name: str) -> None:
    """Save a screenshot of the page."""
    page.screenshot(path=str(PICTURES / f"{name}.png"))
    print(name)


def book_visit(browser: Any, address: str) -> None:
    """Book a visit of the guide's teacher and partner, and take the pictures that show it."""
    page = browser.new_page(reduced_motion="reduce", viewport=PHONE)
    page.set_default_timeout(120_000)
    page.goto(f"{address}/demo/")
    partner = page.locator("form[action$='/demo/be']:has(input[name=part][value=partner])").first.inner_text()
    sign_in(page, "teacher", address, "/families")
    times = [link.get_attribute("href") for link in page.locator("a[href$='/time']").all()]
    page.goto(f"{address}{times[0]}")
    take_screenshot(page, "find-a-time")
    for path in times:
        page.goto(f"{address}{path}")
        options = page.locator("a.chip[href*='partner=']").all()
        known = [option for option in options if option.inner_text().strip() in partner]
        if known:
            known[0].click()
            page.wait_for_url("**partner=**")
            break
    page.locator("a[href*='/book?']").first.click()
    page.wait_for_url("**/book?**")
    page.locator("form[action$='/book'] button").last.click()
    page.wait_for_url("**/visits/*")
    visit = page.url.removeprefix(address)
    sign_in(page, "partner", address, visit)
    page.locator("form[action$='/accept'] button").first.click()
    sign_in(page, "teacher", address, visit)
    take_screenshot(page, "visit")
    while not page.locator("a[href$='/met']").count():
        page.locator("form[action$='/demo/clock'] button").first.click()
        page.goto(f"{address}{visit}")
    page.goto(f"{address}{visit}/met")
    take_screenshot(page, "we-met")
    page.close()


def show_draw(browser: Any, address: str) -> None:
    """Take the picture of a draw's public record."""
    page = browser.new_page(reduced_motion="reduce", viewport=DESK)
    page.set_default_timeout(120_000)
    sign_in(page, "coordinator", address, "/draws")
    draw = page.locator("a[href*='/draws/']:not([href*='new'])").first.get_attribute("href")
    page.goto(f"{address}{draw}")
    take_screenshot(page, "draw")
    page.close()


def take_all(browser: Any, address: str) -> None:
    """Take all pictures. The booked visit is last, because it moves the demo's clock."""
    show_draw(browser, address)
    for name, part, path, size in PAGES:
        page = browser.new_page(reduced_motion="reduce", viewport=size)
        page.set_default_timeout(120_000)
        sign_in(page, part, address, path)
        take_screenshot(page, name)
        page.close()
    page = browser.new_page(reduced_motion="reduce", viewport=PHONE)
    page.set_default_timeout(120_000)
    page.goto(f"{address}/demo/phone")
    page.locator("a[href*='/demo/phone/']").first.click()
    take_screenshot(page, "family-phone")
    page.close()
    book_visit(browser, address)


def main() -> None:
    """Start a demo in a temporary folder, take the pictures and stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    port = parser.parse_args().port
    path = servers.find_chromium()
    if path is None:
        raise SystemExit("there is no Chromium on this machine")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="homevisits-pictures-") as folder:
        command = [str(ROOT / ".venv/bin/homevisits"), "demo", "--port", str(port), "--folder", f"{folder}/demo"]
        demo = subprocess.Popen(command)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            with servers.run_browser(path) as browser:
                take_all(browser, f"http://127.0.0.1:{port}")
        finally:
            demo.terminate()
            demo.wait(60)


if __name__ == "__main__":
    main()
