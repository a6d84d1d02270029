"""`python -m sample.capture_gallery [SCANS ...] [--picture]`: show how scans are read, in one HTML file.

SCANS are PDFs, page images, or folders of these; without them, generated pages are read. Nothing is ingested and
nothing is written but the file. A text beside an image (`page.txt` beside `page.png`) is what is printed: the
gallery says how much of it was found. `--picture` also makes the picture of the documentation, which needs Chromium
and the development tools.
"""

import argparse
import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from PIL import Image

from checkpointing.errors import InputError, LeafmarkError
from checkpointing.plurals import counted
from checkpointing.storage_errors import storage_errors
from producer.ingest.source_check import examine
from sample.gallery import GalleryPage, ShownPage, read_page, render
from sample.picture_pages import pages_of
from sample.truth_pages import Recipe, make_page, text_of
from worker.config.settings import load_settings
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageImage
from worker.pages.sources.formats import is_image_name, is_pdf_name
from worker.pages.sources.open import open_file
from worker.stages.ocr import OcrStage

_OUTPUT = Path("build/gallery.html")
PICTURE = Path("docs/captures/gallery.webp")
MAX_BYTES = 300_000
_GENERATED = (27, 78, 61, 15, 91, 0, 7, 12)
"""Seeds of pages of many kinds."""
_IN_PICTURE = 2
_VIEW = (1280, 1000)
_QUALITY = 50


def main() -> int:
    """Make the gallery; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sample.capture_gallery", description=__doc__)
    parser.add_argument("scans", metavar="SCANS", nargs="*", type=Path, help="PDFs, images, or folders of them")
    parser.add_argument("--output", metavar="FILE", type=Path, default=_OUTPUT, help=f"default {_OUTPUT}")
    parser.add_argument("--picture", action="store_true", help=f"make {PICTURE} of the first {_IN_PICTURE} pages")
    arguments = parser.parse_args()
    try:
        stage = OcrStage(load_settings())
        stage.prepare()
        pages = scanned_pages(arguments.scans) if arguments.scans else generated_pages(_GENERATED)
        write_gallery(pages, stage, arguments.output)
    except LeafmarkError as error:
        parser.exit(error.exit_code, f"{error}\n")
    sys.stdout.write(f"{arguments.output}\n")
    if arguments.picture:
        take_picture(arguments.output)
        sys.stdout.write(f"{PICTURE}\n")
    return 0


def write_gallery(pages: Iterable[GalleryPage], stage: OcrStage, output: Path) -> None:
    """Read pages and write the gallery of them.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    shown: list[ShownPage] = []
    for page in pages:
        shown.append(read_page(page, stage))
        sys.stderr.write(f"{page.title}: {counted(len(shown[-1].regions), 'region')}\n")
    html = render(shown, stage.loaded_engine.version)
    with storage_errors(output):
        output.write_text(html, encoding="utf-8")


def take_picture(gallery: Path) -> None:
    """Take a picture of the first pages of a gallery, for the documentation."""
    from playwright.sync_api import ViewportSize, sync_playwright  # noqa: PLC0415  # one of the development tools

    with sync_playwright() as playwright:
        # Root, as CI is, has no sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport=ViewportSize(width=_VIEW[0], height=_VIEW[1]))
            page.goto(gallery.absolute().as_uri())
            shots = [page.locator("article").nth(number).screenshot() for number in range(_IN_PICTURE)]
        finally:
            browser.close()
    pages = [Image.open(io.BytesIO(shot)) for shot in shots]
    both = Image.new("RGB", (max(each.width for each in pages), sum(each.height for each in pages)), "white")
    top = 0
    for each in pages:
        both.paste(each, (0, top))
        top += each.height
    both.save(PICTURE, quality=_QUALITY)
    if PICTURE.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{PICTURE} has {PICTURE.stat().st_size} bytes, more than {MAX_BYTES}")


def scanned_pages(paths: Sequence[Path]) -> Iterator[GalleryPage]:
    """Yield the pages of PDFs, images, and folders of these.

    Raises:
        InputError: a path does not exist, or there is no PDF or image in it.
    """
    for path in _files(paths):
        [found] = examine(path).files
        kind = "pdf" if is_pdf_name(path.name) else "images"
        with closing(open_file(path, kind, found.pages, dpi=DEFAULT_DPI, max_pixels=DEFAULT_MAX_PIXELS)) as source:
            for number in range(1, found.pages + 1):
                title = path.name if found.pages == 1 else f"{path.name}, picture {number}"
                text = _text_beside(path) if found.pages == 1 else None
                yield from _halves(GalleryPage(title, source.page(number), text))


def generated_pages(seeds: Iterable[int]) -> Iterator[GalleryPage]:
    """Yield generated pages, whose text is known."""
    for seed in seeds:
        page = make_page(Recipe.of_seed(seed))
        dpi, truth = float(page.truth.dpi), page.truth
        pages = _halves(GalleryPage(f"generated page {seed}", PageImage(page.image, dpi), truth.text))
        for leaf, each in enumerate(pages):
            yield each if each.scanned.half is None else replace(each, text=text_of(truth.leaf(leaf)))


def _halves(picture: GalleryPage) -> Iterator[GalleryPage]:
    """Yield a picture as one page, or the two pages of a spread, whose texts are not known."""
    for page in pages_of(picture.scanned):
        if page.half is None:
            yield picture
        else:
            yield GalleryPage(f"{picture.title}, {page.half.side} page", page)


def _files(paths: Sequence[Path]) -> list[Path]:
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found = [file for file in files if is_pdf_name(file.name) or is_image_name(file.name)]
    if not found:
        raise InputError(f"no PDF or image in {', '.join(map(str, paths))}", hint="name a folder that has some")
    return found


def _text_beside(path: Path) -> str | None:
    text = path.with_suffix(".txt")
    return text.read_text(encoding="utf-8") if text.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
