"""Finds the pictures on a page: large dark areas in which no text was read.

The page is averaged over a coarse grid, so that specks, paper tone and single unread lines of text vanish, and so
that it costs a few hundredths of what the engine does.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from worker.ocr.boxes import Box, Picture

Mask = NDArray[np.uint8]

_SAMPLES_ALONG_SIDE = 600
"""Pixels along the longer side after averaging: thin pen strokes still show."""
_SAMPLES_PER_CELL = 6
_INK = 0.70
"""Maximum brightness of ink as a share of the paper's; stains and show-through are lighter."""
_INKED_SHARE = 0.08
"""Minimum share of dark samples in a cell that is part of something printed."""
_SMALLEST_AREA = 0.03
"""Minimum area of a picture's box as a share of the page."""
_SMALLEST_SIDE = 0.06
"""Minimum side of a picture as a share of the page's shorter side; rules and dark edges of a scan are narrower."""
_SMALLEST_FILL = 0.3
"""Minimum share of dark cells in a picture's box; frames around the page have less."""


def find_pictures(page: Image, text: Iterable[Box]) -> list[Picture]:
    """Find the pictures on a page in RGB or 8-bit grey, outside the boxes of its lines of text, in pixels."""
    factor = max(1, round(max(page.size) / _SAMPLES_ALONG_SIDE))
    samples = np.asarray(page.reduce(factor).convert("L"))
    cells = _inked_cells(samples)
    scale_x = page.width / samples.shape[1] * _SAMPLES_PER_CELL
    scale_y = page.height / samples.shape[0] * _SAMPLES_PER_CELL
    for box in text:
        rows = slice(int(box.y / scale_y), int(box.bottom / scale_y) + 1)
        columns = slice(int(box.x / scale_x), int(box.right / scale_x) + 1)
        cells[rows, columns] = 0
    pictures = []
    for left, top, width, height, area in _components(cells):
        corners = left * scale_x, top * scale_y, (left + width) * scale_x, (top + height) * scale_y
        picture = Picture(Box.from_corners(*corners).clamped(page.width, page.height), fill=area / (width * height))
        if _is_large(picture, page):
            pictures.append(picture)
    return pictures


def _inked_cells(samples: Mask) -> Mask:
    """Return 1 for each grid cell with ink and 0 for paper; the last, partial row and column are padded."""
    paper = float(np.percentile(samples, 90))
    spare = [(0, -length % _SAMPLES_PER_CELL) for length in samples.shape]
    ink = np.pad(samples < paper * _INK, spare)
    rows, columns = (length // _SAMPLES_PER_CELL for length in ink.shape)
    share = ink.reshape(rows, _SAMPLES_PER_CELL, columns, _SAMPLES_PER_CELL).mean(axis=(1, 3))
    cells: Mask = (share > _INKED_SHARE).astype(np.uint8)
    return cells


def _components(cells: Mask) -> list[tuple[int, int, int, int, int]]:
    """Return left, top, width, height and dark area of each connected shape, in cells; bridge gaps of one cell."""
    import cv2  # noqa: PLC0415  # comes with rapidocr and is slow to import; only a worker needs it

    bridged = cv2.morphologyEx(cells, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, _, statistics, _ = cv2.connectedComponentsWithStats(bridged, connectivity=8)
    return [(int(a), int(b), int(c), int(d), int(e)) for a, b, c, d, e in statistics[1:]]  # 0 is the paper


def _is_large(picture: Picture, page: Image) -> bool:
    box = picture.bbox
    return (
        box.width * box.height >= _SMALLEST_AREA * page.width * page.height
        and min(box.width, box.height) >= _SMALLEST_SIDE * min(page.size)
        and picture.fill >= _SMALLEST_FILL
    )
