"""Find the spreads of a source: on small copies, in parallel over the cores.

Only pictures that are wider than high are looked at. Of a book whose pictures are all upright, the headers are read
and two pictures are looked at as a sample: its spreads may lie on their side.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checkpointing.errors import LeafmarkError
from producer.terminal.progress import Counting, uncounted
from worker.pages.geometry.gutter import AS_FOUND
from worker.pages.geometry.settings import AUTO, GeometrySettings, Spreads
from worker.pages.metadata import Spread
from worker.pages.sources.small import SourceImage, sizes_of

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.pages.geometry.spread import FoundGutter

_SMALLEST_SIDE = 300
"""A picture with a shorter side, in pixels or points, is not a scan of two pages."""
_SAMPLES = 2
"""Upright pictures that are looked at to learn whether the spreads of a book lie on their side."""


@dataclass(frozen=True, slots=True)
class SpreadSearch:
    """How to look for spreads.

    Attributes:
        mode: `auto`, `no`, or `yes` where gutters are faint.
        geometry: a turn that is set is taken for granted.
        max_pixels: maximum number of pixels of a picture in memory.
        counting: shows progress.
    """

    mode: Spreads
    geometry: GeometrySettings = AS_FOUND
    max_pixels: int = 40_000_000
    counting: Counting = uncounted

    @classmethod
    def by(cls, settings: Settings, counting: Counting = uncounted) -> SpreadSearch:
        """Return the search that the settings describe."""
        return cls(settings.spreads, GeometrySettings.of(settings), settings.max_pixels, counting)


NO_SEARCH = SpreadSearch("no")


@dataclass(frozen=True, slots=True)
class FoundSpreads:
    """The spreads of a source.

    Attributes:
        spreads: in order.
        doubts: why pictures that may be spreads stay whole, by the number of the picture.
    """

    spreads: tuple[Spread, ...] = ()
    doubts: dict[int, str] = field(default_factory=dict)


def find_spreads(images: Sequence[SourceImage], search: SpreadSearch) -> FoundSpreads:
    """Return the spreads among the pictures of a source, which are numbered from 1.

    A picture that cannot be read stays whole: its page is quarantined later.
    """
    if search.mode == "no":
        return FoundSpreads()
    sizes = {number: size for number, size in enumerate(sizes_of(images), 1) if size and _is_large(size)}
    wide = [number for number, (width, height) in sizes.items() if width >= height]
    upright = [number for number, (width, height) in sizes.items() if width < height]
    if search.mode == AUTO:
        samples = [upright[(2 * each + 1) * len(upright) // (2 * _SAMPLES)] for each in range(_SAMPLES) if upright]
        look = _Looker(search)
        if not any(look(images[number - 1]).gutter for number in dict.fromkeys(samples)):
            upright = []
    found = _look_at({number: images[number - 1] for number in sorted(wide + upright)}, search)
    return FoundSpreads(
        tuple(Spread(image=number, gutter=each.gutter) for number, each in found.items() if each.gutter),
        {number: each.doubt for number, each in found.items() if each.doubt},
    )


def _is_large(size: tuple[float, float]) -> bool:
    return min(size) >= _SMALLEST_SIDE


def _look_at(images: dict[int, SourceImage], search: SpreadSearch) -> dict[int, FoundGutter]:
    """Return what was found on each picture. After Ctrl-C no further picture is begun."""
    if not images:
        return {}
    look = _Looker(search)
    with search.counting("Looking for spreads", len(images)) as step:
        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            return dict(zip(images, _counted(pool.map(look, images.values()), step), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)


def _counted(found: Iterable[FoundGutter], step: Callable[[], object]) -> Iterable[FoundGutter]:
    for each in found:
        yield each
        step()


class _Looker:
    """Looks for the gutter of one picture after another; safe for use from several threads."""

    def __init__(self, search: SpreadSearch) -> None:
        self._search = search
        self._lock = threading.Lock()

    def __call__(self, image: SourceImage) -> FoundGutter:
        """Return what was found on a picture; nothing where it cannot be decoded."""
        # Books whose pictures need not be looked at do without OpenCV.
        import numpy as np  # noqa: PLC0415 - the comment above says why

        from worker.pages.geometry.spread import FoundGutter, find_gutter  # noqa: PLC0415 - the same

        try:
            picture = image.small_copy(self._search.max_pixels)
        except LeafmarkError:
            return FoundGutter(None)
        eager = self._search.mode == "yes"
        return find_gutter(np.asarray(picture), self._search.geometry, self._classify, eager=eager)

    def _classify(self, pieces: Any) -> Any:
        from worker.ocr.engines.rapid.engine import upside_down  # noqa: PLC0415  # loads a network, for pictures with a gutter only

        with self._lock:
            return upside_down(pieces)
