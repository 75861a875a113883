"""Take the README's pictures anew: a fresh demo, each page in Chromium, written to docs/pictures."""

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

from tests import servers  # noqa: E402 - the checkout's own tests know how to start a browser

PICTURES = ROOT / "docs" / "pictures"
PHONE, DESK = {"width": 390, "height": 760}, {"width": 1180, "height": 760}
PAGES: tuple[tuple[str, str, str, dict[str, int]], ...] = (
    ("my-day", "teacher", "/my-day", PHONE),
    ("families", "teacher", "/families", PHONE),
    ("calendar", "teacher", "/me/calendar", PHONE),
    ("asking", "coordinator", "/asking", DESK),
    ("approvals", "coordinator", "/approvals", DESK),
    ("tally", "union", "/tally", DESK),
    ("attendance", "lead", "/attendance", DESK),
)


def ready(address: str) -> None:
    """Wait until the demo answers."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("the demo did not start")


def be(page: Any, part: str, address: str, path: str) -> None:
    """Sign in as someone of the story and go to a page."""
    page.goto(f"{address}/demo/")
    wanted = f"form[action$='/demo/be']:has(input[name=part][value={part}]) button, button[name=part][value={part}]"
    page.locator(wanted).first.click()
    page.goto(f"{address}{path}")


def shoot(page: Any, name: str) -> None:
    """Write one picture."""
    page.screenshot(path=str(PICTURES / f"{name}.png"))
    print(name)


def book(browser: Any, address: str) -> None:
    """The teacher books the partner of the story, who accepts: there is a visit to show."""
    page = browser.new_page(reduced_motion="reduce", viewport=PHONE)
    page.set_default_timeout(120_000)
    page.goto(f"{address}/demo/")
    partner = page.locator("form[action$='/demo/be']:has(input[name=part][value=partner])").first.inner_text()
    be(page, "teacher", address, "/families")
    times = [link.get_attribute("href") for link in page.locator("a[href$='/time']").all()]
    page.goto(f"{address}{times[0]}")
    shoot(page, "find-a-time")
    for path in times:
        page.goto(f"{address}{path}")
        chips = page.locator("a.chip[href*='partner=']").all()
        known = [chip for chip in chips if chip.inner_text().strip() in partner]
        if known:
            known[0].click()
            page.wait_for_url("**partner=**")
            break
    page.locator("a[href*='/book?']").first.click()
    page.wait_for_url("**/book?**")
    page.locator("form[action$='/book'] button").last.click()
    page.wait_for_url("**/visits/*")
    visit = page.url.removeprefix(address)
    be(page, "partner", address, visit)
    page.locator("form[action$='/accept'] button").first.click()
    be(page, "teacher", address, visit)
    shoot(page, "visit")
    page.close()


def take(browser: Any, address: str) -> None:
    """Every picture."""
    book(browser, address)
    for name, part, path, size in PAGES:
        page = browser.new_page(reduced_motion="reduce", viewport=size)
        page.set_default_timeout(120_000)
        be(page, part, address, path)
        shoot(page, name)
        page.close()
    page = browser.new_page(reduced_motion="reduce", viewport=PHONE)
    page.set_default_timeout(120_000)
    page.goto(f"{address}/demo/phone")
    page.locator("a[href*='/demo/phone/']").first.click()
    shoot(page, "family-phone")
    page.close()


def main() -> None:
    """Start a demo of its own, take the pictures, stop it."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--port", type=int, default=8099)
    port = given.parse_args().port
    path = servers.find_chromium()
    if path is None:
        raise SystemExit("there is no Chromium on this machine")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="homevisits-pictures-") as folder:
        command = [str(ROOT / ".venv/bin/homevisits"), "demo", "--port", str(port), "--folder", f"{folder}/demo"]
        demo = subprocess.Popen(command)
        try:
            ready(f"http://127.0.0.1:{port}")
            with servers.run_browser(path) as browser:
                take(browser, f"http://127.0.0.1:{port}")
        finally:
            demo.terminate()
            demo.wait(60)


if __name__ == "__main__":
    main()
