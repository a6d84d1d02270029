"""The sample book as files: one PDF, or a folder of images. The same pages always give the same bytes."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from sample.book import SamplePage, pages
from sample.render import render

JPEG_QUALITY = 60
PUBLISHED = time.struct_time((1865, 11, 26, 0, 0, 0, 6, 330, 0))
"""Stands in the PDF for the time of writing, which would make every build differ."""


def write_pdf(dest: Path, book: Sequence[SamplePage] | None = None) -> Path:
    """Write pages to a PDF, each a JPEG as a scanner would leave it; the whole book by default.

    An existing file is replaced, in one step. All pages are held in memory meanwhile, some 7 MB each.

    Returns:
        `dest`.

    Raises:
        ValueError: `book` has no pages.
        OSError: the file cannot be written.
        SettingsError: the typeface is not installed.
    """
    chosen = pages() if book is None else book
    if not chosen:
        raise ValueError("a PDF needs at least one page")
    first, *others = (render(page) for page in chosen)
    unfinished = dest.with_name(f".{dest.name}.{os.getpid()}.tmp")
    first.save(
        unfinished,
        "PDF",
        save_all=True,
        append_images=others,
        resolution=chosen[0].page_format.dpi,
        quality=JPEG_QUALITY,
        title="Alice's Adventures in Wonderland",
        author="Lewis Carroll",
        creationDate=PUBLISHED,
        modDate=PUBLISHED,
    )
    unfinished.replace(dest)
    return dest


def write_image_folder(dest: Path, book: Sequence[SamplePage]) -> Path:
    """Write pages to a folder as `page_1.png`, `page_2.png` and so on, in the order given.

    Returns:
        `dest`, made if it was not there.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    dest.mkdir(parents=True, exist_ok=True)
    for position, page in enumerate(book, start=1):
        dpi = page.page_format.dpi
        render(page).save(dest / f"page_{position}.png", dpi=(dpi, dpi))
    return dest
