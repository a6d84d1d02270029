"""What a stage is given: page images from the scan's source, and outputs of earlier stages."""

from typing import Any

from worker.sources.base import PageImage
from worker.sources.open import open_source
from worker.workshop import Workshop


class ScanInputs:
    """Reads a scan's pages from storage, as a stage asks for them.

    A source is opened for each page and closed again: that costs next to nothing beside the page, and no worker
    keeps files open on the shared storage.
    """

    def __init__(self, workshop: Workshop, scan_id: str) -> None:
        self.scan_id = scan_id
        self._workshop = workshop
        self._scan = workshop.scan(scan_id)

    def image(self, page: int) -> PageImage:
        """The page as a picture.

        Raises:
            PageError: the page cannot be rendered, and never will be.
            StorageError: the source cannot be read just now.
        """
        settings = self._workshop.settings
        metadata = self._scan.read_metadata()
        source = open_source(self._scan, metadata, dpi=settings.dpi, max_pixels=settings.max_pixels)
        try:
            return source.page(page)
        finally:
            source.close()

    def output(self, stage: str, page: int) -> dict[str, Any]:
        """The valid output of an earlier stage.

        Raises:
            PageOutputError: it has none.
        """
        return self._workshop.outputs(self._scan.scan_id, stage).load(page)
