"""Pages as small pictures inside the report: WebP in data URIs, each within a bound of bytes."""

import base64
import io
from collections.abc import Callable, Iterable

from PIL import Image

from checkpointing.errors import InputError, LeafmarkError, PageError, StorageError, in_one_line
from producer.report.limits import (
    ALL_PICTURE_BYTES,
    ALL_THUMBNAIL_BYTES,
    PICTURE_BYTES,
    RENDER_DPI,
    THUMBNAIL_BYTES,
    THUMBNAIL_WIDTH,
    share,
)
from producer.report.model import Pictures
from worker.deployment import Deployment
from worker.pages.scan import ScanMetadata
from worker.pages.sources.base import PageSource
from worker.pages.sources.open import open_source

# Width in pixels and quality, from the best to the least; the first that is within the bound is taken.
_PICTURE_STEPS = ((1000, 55), (1000, 40), (860, 32), (720, 25), (620, 18), (560, 8), (500, 8), (420, 8), (320, 8))
_THUMBNAIL_STEPS = tuple((THUMBNAIL_WIDTH, quality) for quality in (60, 45, 30, 15, 5))
# A very long or wide page: its pictures are bounded on both sides.
_MOST_HEIGHTS = 3
_FASTEST = 1
_MUCH_ROOM = 0.6


def pictures_of(
    deployment: Deployment, metadata: ScanMetadata, pages: Iterable[int], step: Callable[[], object]
) -> dict[int, Pictures]:
    """The pages of a scan as pictures. A page that cannot be rendered says why instead.

    Args:
        deployment: the deployment.
        metadata: of the scan.
        pages: which, numbered from 1.
        step: called after each.
    """
    settings = deployment.settings_for(metadata)
    studio = _Studio(metadata.total_pages)
    found: dict[int, Pictures] = {}
    source: PageSource | None = None
    try:
        source = open_source(
            deployment.scan(metadata.scan_id),
            metadata,
            dpi=min(settings.dpi, RENDER_DPI),
            max_pixels=settings.max_pixels,
            preview=True,
        )
        for page in pages:
            found[page] = _page(studio, source, page)
            step()
    except (InputError, StorageError) as error:
        # The source does not open at all: the rest of the report is none the worse.
        problem = Pictures(problem=in_one_line(str(error)))
        return {page: found.get(page, problem) for page in pages}
    finally:
        if source is not None:
            source.close()
    return found


def _page(studio: "_Studio", source: PageSource, page: int) -> Pictures:
    try:
        return studio.pictures(source.page(page).image)
    except (PageError, StorageError) as error:
        return Pictures(problem=in_one_line(str(error)))
    except (LeafmarkError, MemoryError, OSError, ValueError) as error:
        return Pictures(problem=in_one_line(f"{type(error).__name__}: {error}"))


class _Studio:
    """Makes the pictures of one book.

    Args:
        total_pages: that share the room.
    """

    def __init__(self, total_pages: int) -> None:
        self._picture = _Encoder(_PICTURE_STEPS, share(PICTURE_BYTES, ALL_PICTURE_BYTES, total_pages))
        self._thumbnail = _Encoder(_THUMBNAIL_STEPS, share(THUMBNAIL_BYTES, ALL_THUMBNAIL_BYTES, total_pages))

    def pictures(self, page: Image.Image) -> Pictures:
        # Made smaller once from the whole page; the rest is made of that.
        small = _within(page, _PICTURE_STEPS[0][0])
        return Pictures(self._thumbnail.encode(small), self._picture.encode(small), page.width, page.height)


class _Encoder:
    """Makes a picture small enough.

    It begins where the page before ended, since pages of a book are alike, or a step before if that left much room.

    Args:
        steps: width in pixels and quality, from the best to the least.
        most_bytes: that a picture may have.
    """

    def __init__(self, steps: tuple[tuple[int, int], ...], most_bytes: int) -> None:
        self._steps = steps
        self._most_bytes = most_bytes
        self._place = 0
        self._much_room = False

    def encode(self, page: Image.Image) -> str | None:
        """A data URI; None where even the least is too large."""
        for place in range(max(0, self._place - self._much_room), len(self._steps)):
            data = _webp(page, *self._steps[place])
            if len(data) <= self._most_bytes:
                self._place = place
                self._much_room = len(data) < self._most_bytes * _MUCH_ROOM
                return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
        return None


def _webp(page: Image.Image, width: int, quality: int) -> bytes:
    out = io.BytesIO()
    _within(page, width).save(out, "WEBP", quality=quality, method=_FASTEST)
    return out.getvalue()


def _within(page: Image.Image, width: int) -> Image.Image:
    """The page in a width, or as it is where it has less."""
    factor = min(1.0, width / page.width, width * _MOST_HEIGHTS / page.height)
    size = max(1, round(page.width * factor)), max(1, round(page.height * factor))
    return page if size == page.size else page.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
