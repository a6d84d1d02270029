"""Opening the pages of a scan, whatever they are stored in."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from checkpointing.errors import InputError
from checkpointing.plurals import counted
from worker.pages.metadata import ScanMetadata, ScanSource
from worker.pages.scan import ScanFolder
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageImage, PageSource
from worker.pages.sources.checks import check_page_number
from worker.pages.sources.images import ImageSource
from worker.pages.sources.pdf import PdfSource


def open_source(
    scan: ScanFolder,
    metadata: ScanMetadata,
    *,
    dpi: int = DEFAULT_DPI,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    preview: bool = False,
) -> PageSource:
    """Open the pages of a scan, with the options of `PdfSource`. A PDF takes a few milliseconds to open.

    A page that is half of a picture comes as all of it, with `PageImage.half`.

    Raises:
        InputError: the stored PDF no longer opens, or is not the one that was ingested.
        StorageError: the storage cannot be read at the moment.
    """
    source = metadata.source
    open_one = partial(open_file, dpi=dpi, max_pixels=max_pixels, preview=preview)
    if len(source.files) > 1 or source.replaced or source.spreads:
        return _SeveralFiles(scan.source_dir, source, metadata.total_pages, open_one)
    [file] = source.files
    return open_one(scan.source_dir / file.name, source.kind, file.pages)


def open_file(path: Path, kind: str, pages: int, *, dpi: int, max_pixels: int, preview: bool = False) -> PageSource:
    """Open one file of the kind `pdf` or `images`, with its pages as counted at ingest; see `open_source`."""
    if kind == "images":
        return ImageSource([(path, pages)], max_pixels=max_pixels)
    source = PdfSource(path, dpi=dpi, max_pixels=max_pixels, preview=preview)
    if source.total_pages != pages:
        source.close()
        raise InputError(
            f"{path} has {counted(source.total_pages, 'page')}, but had {pages} when it was ingested; "
            "put the original file back"
        )
    return source


class _SeveralFiles:
    """The pages of a scan that are in several files. The file of the last page that was requested stays open."""

    def __init__(self, folder: Path, source: ScanSource, total_pages: int, open_one: "partial[PageSource]") -> None:
        self._folder = folder
        self._source = source
        self._open_one = open_one
        self._open: tuple[Path, PageSource] | None = None
        self.total_pages = total_pages

    def page(self, number: int) -> PageImage:
        check_page_number(number, self.total_pages)
        kind, file, place, half = self._source.place_of(number)
        path = self._folder / file.name
        if self._open is None or self._open[0] != path:
            self.close()
            self._open = path, self._open_one(path, kind, file.pages)
        picture = self._open[1].page(place)
        return picture if half is None else replace(picture, half=half)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
