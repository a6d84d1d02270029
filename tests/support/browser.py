"""A real browser, without a screen: Debian's Chromium, driven by Playwright's Python package.

`.ci/run` installs it. Where it is missing, tests that need it are skipped and say how to get it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

# The first keeps it from asking for a kernel feature that root does not have; the others keep it off the network,
# which it would else ask for updates at every start.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Complaints:
    """What a page has complained of: errors on its console, errors of its scripts, requests that failed."""

    def __init__(self, page: Page) -> None:
        self.lines: list[str] = []
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.lines.append(f"script: {error}"))
        page.on("requestfailed", self._note_failure)

    def _note_failure(self, request: Any) -> None:
        # Whoever leaves a page takes back what it has asked for.
        if request.failure != "net::ERR_ABORTED":
            self.lines.append(f"failed: {request.url} ({request.failure})")

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.lines.append(f"console: {message.text}")


def chromium_path() -> str:
    """Where Chromium is; skips the test where it is nowhere."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium here; install it (Debian: apt-get install chromium)")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the length of a `with` block.

    To start one takes a second of two cores, so a file of tests had better share one, in a fixture of its module.
    One of the session would keep all other tests of the process from running an event loop.
    """
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browser_context(**options: Any) -> Iterator[BrowserContext]:
    """A browser of its own for the length of a `with` block.

    Args:
        options: of Playwright's `new_context`, such as `http_credentials` or `viewport`.
    """
    with chromium() as browser:
        yield browser.new_context(**options)


def keep_screenshot(page: Page, name: str) -> Path:
    """Keep a picture of a page where whoever ran the tests finds it: `build/screenshots/`."""
    path = Path("build/screenshots") / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    return path
