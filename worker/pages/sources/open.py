"""Opening the pages of a scan, whatever they are stored in."""

from functools import partial
from pathlib import Path

from worker.pages.metadata import ScanMetadata, ScanSource
from worker.pages.scan import ScanFolder
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageSource
from worker.pages.sources.images import ImageSource
from worker.pages.sources.parts import PdfParts, open_pdf
from worker.pages.sources.replaced import OpenSource, WithReplacements


def open_source(
    scan: ScanFolder,
    metadata: ScanMetadata,
    *,
    dpi: int = DEFAULT_DPI,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    preview: bool = False,
) -> PageSource:
    """The pages of a scan. Cheap for images, a few milliseconds for a PDF; worth keeping open.

    Args:
        scan: where the scan is.
        metadata: as read from it.
        dpi: resolution that pages of a PDF are rendered at, in dots per inch. Images are as they are.
        max_pixels: no page comes out with more pixels (width x height) than this.
        preview: as of `PdfSource`.

    Raises:
        InputError: the stored PDF no longer opens, or is not the one that was ingested.
        StorageError: the storage cannot be read just now.
    """
    rest = partial(_open_ingested, scan, metadata.source, dpi=dpi, max_pixels=max_pixels, preview=preview)
    if not metadata.source.replaced:
        return rest()
    replaced: dict[int, tuple[OpenSource, int]] = {}
    for page, new in metadata.source.replacements.items():
        path = scan.source_dir / new.file.name
        replaced[page] = (
            partial(open_file, path, new.kind, new.file.pages, dpi=dpi, max_pixels=max_pixels, preview=preview),
            new.place,
        )
    return WithReplacements(metadata.total_pages, rest, replaced)


def open_file(path: Path, kind: str, pages: int, *, dpi: int, max_pixels: int, preview: bool = False) -> PageSource:
    """Open one file of pages; everything else is as in `open_source`.

    Args:
        path: the file.
        kind: `pdf` or `images`.
        pages: how many it holds.
        dpi: resolution of pages of a PDF, in dots per inch.
        max_pixels: of a page.
        preview: as of `PdfSource`.
    """
    if kind == "images":
        return ImageSource([(path, pages)], max_pixels=max_pixels)
    return open_pdf(path, pages, dpi=dpi, max_pixels=max_pixels, preview=preview)


def _open_ingested(scan: ScanFolder, source: ScanSource, *, dpi: int, max_pixels: int, preview: bool) -> PageSource:
    files = [(scan.source_dir / file.name, file.pages) for file in source.files]
    if source.kind == "images":
        return ImageSource(files, max_pixels=max_pixels)
    if len(files) > 1:
        return PdfParts(files, dpi=dpi, max_pixels=max_pixels, preview=preview)
    [(path, pages)] = files
    return open_pdf(path, pages, dpi=dpi, max_pixels=max_pixels, preview=preview)
