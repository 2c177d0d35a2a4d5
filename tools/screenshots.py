"""Pictures of the dashboard's pages for the README, taken in headless Chromium: needs requirements-dev.txt and a Chromium on the path."""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PAGES = {"overview": ("", 1450), "drivers": ("drivers", 2000), "deals": ("deals", 1750)}
READY_SECONDS = 60


def chromium() -> str | None:
    """Path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def serving(marts: Path, log: Path) -> Iterator[str]:
    """A dashboard over the published file, at the address that it yields, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(PROJECT / "dashboard" / "app.py"), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=marts.parent, env=os.environ | {"SALES_MARTS_DB": str(marts)}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_healthy(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_until_healthy(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health") as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise SystemExit(f"the dashboard did not start: {log.read_text(errors='replace')[-2000:]}")


def settle(page) -> None:
    """Waits until the page's script has run and its charts are drawn."""
    page.wait_for_selector("h1", timeout=READY_SECONDS * 1000)
    page.wait_for_function(
        """() => document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'
            && !document.querySelector('[data-testid="stSkeleton"]')
            && document.querySelectorAll('[data-testid="stVegaLiteChart"]').length
                === document.querySelectorAll('[data-testid="stVegaLiteChart"] canvas, [data-testid="stVegaLiteChart"] svg.marks').length""",
        timeout=READY_SECONDS * 1000,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--marts", type=Path, default=Path(os.environ.get("SALES_MARTS_DB") or "marts.duckdb"), help="the published file")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "images", help="folder of the pictures (docs/images)")
    parser.add_argument("--width", type=int, default=1400, help="of the screen, in pixels (1400; a phone has 390)")


def run(arguments: argparse.Namespace) -> int:
    from playwright.sync_api import sync_playwright

    browser_path = chromium()
    if not browser_path:
        raise SystemExit(f"no Chromium on the path: one of {', '.join(BROWSERS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = arguments.out / "dashboard.log"
    with serving(arguments.marts.resolve(), log) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=BROWSER_ARGUMENTS)
        for name, (path, height) in PAGES.items():
            page = browser.new_page(viewport={"width": arguments.width, "height": height})
            page.goto(f"{address}/{path}")
            settle(page)
            if name == "deals":
                choose_first_deal(page)
            page.mouse.move(0, 0)  # off the table, whose tools show under the mouse
            page.wait_for_timeout(1000)
            file = arguments.out / f"dashboard_{name}.png"
            page.screenshot(path=file)
            print(f"{file}: {file.stat().st_size // 1024} kB", file=sys.stderr)
            page.close()
        browser.close()
    log.unlink()
    return 0


def choose_first_deal(page) -> None:
    """The box left of the first row: the table is a canvas, so its place is all there is to click."""
    table = page.get_by_test_id("stDataFrame").first
    table.click(position={"x": 15, "y": 52})
    page.get_by_text("What to do").wait_for()
    page.locator('[data-testid="stVegaLiteChart"] :is(canvas, svg.marks)').first.wait_for()
    settle(page)
