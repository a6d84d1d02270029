"""Render pages as small WebP pictures in data URIs, each within a limit of bytes."""

import base64
import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from PIL import Image

from checkpointing.errors import InputError, LeafmarkError, PageError, StorageError, in_one_line
from producer.report.limits import (
    ALL_PICTURE_BYTES,
    ALL_SCANNED_BYTES,
    ALL_THUMBNAIL_BYTES,
    PICTURE_BYTES,
    RENDER_DPI,
    SCANNED_BYTES,
    THUMBNAIL_BYTES,
    THUMBNAIL_WIDTH,
    share,
)
from producer.report.model import Pictures
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.transform import Geometry
from worker.pages.metadata import ScanMetadata
from worker.pages.sources.base import PageSource
from worker.pages.sources.open import open_source
from worker.storage.book_store import BookStore

# Width in pixels and WebP quality, best first; the first step within the limit is taken.
_PICTURE_STEPS = ((1000, 55), (1000, 40), (860, 32), (720, 25), (620, 18), (560, 8), (500, 8), (420, 8), (320, 8))
_SCANNED_STEPS = ((480, 30), (400, 18), (300, 10), (200, 8))
_THUMBNAIL_STEPS = tuple((THUMBNAIL_WIDTH, quality) for quality in (60, 45, 30, 15, 5))
# Maximum height of a picture in widths: bounds the pictures of very long pages.
_MAX_HEIGHTS = 3
_FASTEST = 1
# A picture below this share of its limit lets the next page begin one step better.
_SMALL_SHARE = 0.6


def pictures_of(
    store: BookStore, metadata: ScanMetadata, pages: Mapping[int, Geometry | None], step: Callable[[], object]
) -> dict[int, Pictures]:
    """Return the pictures of pages of a scan, or the reason for each page that cannot be rendered.

    The pages share the bytes that all pictures may take.

    Args:
        store: the scans.
        metadata: of the scan.
        pages: the numbers of the pages, with the geometry of each page that was not read as it was scanned.
        step: called after each page.
    """
    maker = _PictureMaker(len(pages))
    found: dict[int, Pictures] = {}
    # A PDF is opened once for each resolution that its pages have.
    sources: dict[int, PageSource] = {}
    with ExitStack() as opened:
        try:
            for page, geometry in pages.items():
                settings = store.stages.settings_for(metadata, page)
                dpi = min(settings.dpi, RENDER_DPI)
                if dpi not in sources:
                    sources[dpi] = open_source(
                        store.scan(metadata.scan_id),
                        metadata,
                        dpi=dpi,
                        max_pixels=settings.max_pixels,
                        preview=True,
                    )
                    opened.enter_context(closing(sources[dpi]))
                found[page] = _page(maker, sources[dpi], page, geometry)
                step()
        except (InputError, StorageError) as error:
            # A source that cannot be opened leaves the report without pictures.
            problem = Pictures(problem=in_one_line(str(error)))
            return {page: found.get(page, problem) for page in pages}
    return found


def _page(maker: "_PictureMaker", source: PageSource, page: int, geometry: Geometry | None) -> Pictures:
    try:
        scanned = source.page(page)
        half = None if scanned.half is None else scanned.half.geometry(scanned.image.size)
        return maker.pictures(scanned.image, geometry, half)
    except (PageError, StorageError) as error:
        return Pictures(problem=in_one_line(str(error)))
    except (LeafmarkError, MemoryError, OSError, ValueError) as error:
        return Pictures(problem=in_one_line(f"{type(error).__name__}: {error}"))


class _PictureMaker:
    """Makes the pictures of one book, whose pages share the limit."""

    def __init__(self, total_pages: int) -> None:
        self._picture = _Encoder(_PICTURE_STEPS, share(PICTURE_BYTES, ALL_PICTURE_BYTES, total_pages))
        self._scanned = _Encoder(_SCANNED_STEPS, share(SCANNED_BYTES, ALL_SCANNED_BYTES, total_pages))
        self._thumbnail = _Encoder(_THUMBNAIL_STEPS, share(THUMBNAIL_BYTES, ALL_THUMBNAIL_BYTES, total_pages))

    def pictures(self, source: Image.Image, geometry: Geometry | None, half: Geometry | None) -> Pictures:
        """Return the pictures of a page as it was read, and one as it was scanned where that differs.

        Args:
            source: all of the source image.
            geometry: with which the page was read; None where it was read as it was scanned, or not at all.
            half: of the source image, for a page of a spread.
        """
        if geometry is None:
            return self._of_page(page_image(source, half))
        scanned = self._scanned.encode(page_image(source, half))
        return replace(self._of_page(page_image(source, geometry)), scanned=scanned)

    def _of_page(self, page: Image.Image) -> Pictures:
        # All pictures are scaled from this smaller copy, which is faster than scaling the page each time.
        small = _within(page, _PICTURE_STEPS[0][0])
        return Pictures(self._thumbnail.encode(small), self._picture.encode(small), page.width, page.height)


class _Encoder:
    """Encodes pictures within a limit of bytes.

    Each page begins at the step of the page before, since pages of a book are alike, or one step better if that
    picture was small.
    """

    def __init__(self, steps: tuple[tuple[int, int], ...], max_bytes: int) -> None:
        self._steps = steps
        self._max_bytes = max_bytes
        self._place = 0
        self._was_small = False

    def encode(self, page: Image.Image) -> str | None:
        """Return a data URI; None if the picture is too large even at the last step."""
        for place in range(max(0, self._place - self._was_small), len(self._steps)):
            data = _webp(page, *self._steps[place])
            if len(data) <= self._max_bytes:
                self._place = place
                self._was_small = len(data) < self._max_bytes * _SMALL_SHARE
                return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
        return None


def _webp(page: Image.Image, width: int, quality: int) -> bytes:
    out = io.BytesIO()
    _within(page, width).save(out, "WEBP", quality=quality, method=_FASTEST)
    return out.getvalue()


def _within(page: Image.Image, width: int) -> Image.Image:
    """Return the page scaled down to a width; a narrower page as it is."""
    factor = min(1.0, width / page.width, width * _MAX_HEIGHTS / page.height)
    size = max(1, round(page.width * factor)), max(1, round(page.height * factor))
    return page if size == page.size else page.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
