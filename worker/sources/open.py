"""Opening the pages of a scan, whatever they are stored in."""

from worker.scan import ScanFolder, ScanMetadata
from worker.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageSource
from worker.sources.images import ImageSource
from worker.sources.parts import PdfParts, open_pdf


def open_source(
    scan: ScanFolder,
    metadata: ScanMetadata,
    *,
    dpi: int = DEFAULT_DPI,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> PageSource:
    """The pages of a scan. Cheap for images, a few milliseconds for a PDF; worth keeping open.

    Args:
        scan: where the scan is.
        metadata: as read from it.
        dpi: resolution that pages of a PDF are rendered at, in dots per inch. Images are as they are.
        max_pixels: no page comes out with more pixels (width x height) than this.

    Raises:
        InputError: the stored PDF no longer opens, or is not the one that was ingested.
        StorageError: the storage cannot be read just now.
    """
    files = [(scan.source_dir / file.name, file.pages) for file in metadata.source.files]
    if metadata.source.kind == "images":
        return ImageSource(files, max_pixels=max_pixels)
    if len(files) > 1:
        return PdfParts(files, dpi=dpi, max_pixels=max_pixels)
    [(path, pages)] = files
    return open_pdf(path, pages, dpi=dpi, max_pixels=max_pixels)
