"""Opening the pages of a scan, whatever they are stored in."""

from checkpointing.errors import InputError
from worker.scan import ScanFolder, ScanMetadata
from worker.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageSource
from worker.sources.images import ImageSource
from worker.sources.pdf import PdfSource


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
    [(path, pages)] = files
    source = PdfSource(path, dpi=dpi, max_pixels=max_pixels)
    if source.total_pages != pages:
        source.close()
        raise InputError(
            f"{path} has {source.total_pages} pages, but had {pages} when it was ingested; "
            "put the original file back"
        )
    return source
