"""`python -m sample.capture_report [--keep FOLDER]`: make the picture of a report that the README shows.

The sample book goes through all four stages, with the test provider as the model, and `producer report` makes the
report of it, as in a deployment; what is kept is a picture of the book's view above one of a page with an edit.
Needs Chromium and the development tools.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

from sample.files import write_pdf
from sample.provider import Behaviour, running_provider
from sample.with_provider import environment

CAPTURE = Path("docs/captures/report.png")
MAX_BYTES = 300_000
_PRODUCER = [sys.executable, "-m", "producer.cli"]
_SCAN = "the-rabbit-hole"
_TITLE = "Alice's Adventures in Wonderland"
_BOOK_VIEW: ViewportSize = {"width": 1280, "height": 1150}
_PAGE_VIEW: ViewportSize = {"width": 1280, "height": 760}
_FULL_PAGE = "page-4"
_WORD = 80
"""Place of the word whose confidence is shown."""
_COLOURS = 256
_GAP = 16


def main() -> None:
    """Make the report, look at it, keep the picture."""
    parser = argparse.ArgumentParser(prog="python -m sample.capture_report", description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the scan and its report, used again if it is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (arguments.keep or Path(name)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        report = _make_report(folder)
        first, second = _look_at(report, folder)
    _keep(first, second)
    sys.stdout.write(f"{CAPTURE}\n")


def _make_report(folder: Path) -> Path:
    """The report of the sample book, done in all stages."""
    book, report = folder / f"{_SCAN}.pdf", folder / "report.html"
    behaviour = Behaviour(latency_seconds=0.3)
    with running_provider(behaviour) as provider:
        settings = {
            **os.environ,
            **environment(provider.base_url, behaviour),
            "LEAFMARK_STORAGE_ROOT": str(folder / "scans"),
        }

        def produce(*command: str) -> None:
            subprocess.run([*_PRODUCER, *command], env=settings, check=True, stdout=subprocess.DEVNULL)

        if not book.exists():
            write_pdf(book)
        produce("ingest", str(book), "--title", _TITLE)
        produce("run", _SCAN, "--through", "structure")
        produce("report", _SCAN, "--output", str(report))
    return report


def _look_at(report: Path, folder: Path) -> tuple[Image.Image, Image.Image]:
    """The view of the book, and that of the first page that was edited."""
    with sync_playwright() as playwright:
        # Root, as CI is, has no sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport=_BOOK_VIEW, color_scheme="light")
            page.goto(report.as_uri())
            page.locator("label[for=heat-cost]").click()
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=folder / "book.png")
            edited = page.locator("article:has(ins)")
            # The engine may read the sample book without an error; then there is nothing to edit.
            chosen = edited.first.get_attribute("id") if edited.count() else _FULL_PAGE
            page.set_viewport_size(_PAGE_VIEW)
            page.goto(f"{report.as_uri()}#{chosen}")
            page.locator(f"#{chosen} figure img").evaluate("picture => picture.decode()")
            page.locator(f"#{chosen} .box").nth(_WORD).hover()
            page.screenshot(path=folder / "page.png")
        finally:
            browser.close()
    return Image.open(folder / "book.png").convert("RGB"), Image.open(folder / "page.png").convert("RGB")


def _keep(first: Image.Image, second: Image.Image) -> None:
    """One above the other, in few enough colours to be small."""
    both = Image.new("RGB", (first.width, first.height + _GAP + second.height), "#8d8577")
    both.paste(first, (0, 0))
    both.paste(second, (0, first.height + _GAP))
    CAPTURE.parent.mkdir(parents=True, exist_ok=True)
    both.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(CAPTURE, optimize=True)
    if CAPTURE.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{CAPTURE} has {CAPTURE.stat().st_size} bytes, more than {MAX_BYTES}")


if __name__ == "__main__":
    main()
