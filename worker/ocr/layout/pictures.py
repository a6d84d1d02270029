"""Finds the pictures on a page: large dark areas in which no text was read.

The page is averaged over a coarse grid, so that specks, paper tone and single unread lines of text vanish, and so
that it costs a few hundredths of what the engine does.
"""

from collections.abc import Iterator, Sequence

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
_DARKEST = 0.6
"""Maximum brightness of the darkest parts of a picture, as a share of the paper's; deep stains are lighter."""
_DARKEST_SHARE = 5
"""In percent of a picture: at least so much of it is dark."""
_INKED_SHARE = 0.08
"""Minimum share of dark samples in a cell that is part of something printed."""
_SMALLEST_AREA = 0.015
"""Minimum area of a picture's box as a share of the page."""
_SMALLEST_SIDE = 0.06
"""Minimum side of a picture as a share of the page's shorter side; rules and dark edges of a scan are narrower."""
_SMALLEST_FILL = 0.3
"""Minimum share of dark cells in a picture's box; frames around the page have less."""
_PAPER_SHARE = 0.4
"""Minimum share of bright samples in a row or column of samples on the paper."""
_TEXT_INSIDE = 0.1
"""Minimum share of a dark area's box with lines of text, if it is a frame around them."""
_BED_SIDE = 0.9
"""Minimum length of a strip of the bed, as a share of that side of the page."""
_NEAR_EDGE = 0.05
"""Maximum distance of such a strip from the edge, as a share of that side of the page."""
_BED_WIDTH = 0.25
"""Maximum width of a strip of the bed, as a share of that side of the page."""


def find_pictures(page: Image, text: Sequence[Box]) -> list[Picture]:
    """Find the pictures on a page in RGB or 8-bit grey, outside the boxes of its lines of text, in pixels."""
    samples = _samples(page)
    paper = float(np.percentile(samples, 90))
    cells = _inked_cells(samples, paper)
    scale_x = page.width / samples.shape[1] * _SAMPLES_PER_CELL
    scale_y = page.height / samples.shape[0] * _SAMPLES_PER_CELL
    for box in text:
        rows = slice(int(box.y / scale_y), int(box.bottom / scale_y) + 1)
        columns = slice(int(box.x / scale_x), int(box.right / scale_x) + 1)
        cells[rows, columns] = 0
    outside_text = _outside(text, samples, page)
    pictures = []
    for left, top, width, height, area in _components(cells):
        corners = left * scale_x, top * scale_y, (left + width) * scale_x, (top + height) * scale_y
        picture = Picture(Box.from_corners(*corners).clamped(page.width, page.height), fill=area / (width * height))
        if (
            _is_large(picture, page)
            and not _is_around_paper(picture.bbox, page, text)
            and _has_ink(samples, paper, outside_text, _place(picture.bbox, samples, page))
        ):
            pictures.append(picture)
    return pictures


def find_paper(page: Image) -> Box:
    """Return the box of the paper on a page in RGB or 8-bit grey, in pixels, without the bed around it."""
    samples = _samples(page)
    bright = samples > np.percentile(samples, 90) * _INK
    columns = np.flatnonzero(bright.mean(axis=0) > _PAPER_SHARE)
    rows = np.flatnonzero(bright.mean(axis=1) > _PAPER_SHARE)
    if not len(columns) or not len(rows):
        return Box(0, 0, *page.size)
    across, down = page.width / samples.shape[1], page.height / samples.shape[0]
    return Box.from_corners(columns[0] * across, rows[0] * down, (columns[-1] + 1) * across, (rows[-1] + 1) * down)


def _has_ink(samples: Mask, paper: float, outside_text: NDArray[np.bool_], place: tuple[slice, slice]) -> bool:
    """Return whether some rows and columns contain ink besides their text, and not only a stain."""
    there = samples[place][outside_text[place]]
    return there.size > 0 and bool(np.percentile(there, _DARKEST_SHARE) < paper * _DARKEST)


def _outside(text: Sequence[Box], samples: Mask, page: Image) -> NDArray[np.bool_]:
    """Return which samples are outside the boxes of lines."""
    outside = np.ones(samples.shape, np.bool_)
    for box in text:
        outside[_place(box, samples, page)] = False
    return outside


def _place(box: Box, samples: Mask, page: Image) -> tuple[slice, slice]:
    """Return the rows and columns of samples in a box of the page."""
    across, down = samples.shape[1] / page.width, samples.shape[0] / page.height
    rows = slice(int(box.y * down), int(box.bottom * down) + 1)
    return rows, slice(int(box.x * across), int(box.right * across) + 1)


def _samples(page: Image) -> Mask:
    factor = max(1, round(max(page.size) / _SAMPLES_ALONG_SIDE))
    return np.asarray(page.reduce(factor).convert("L"))


def _inked_cells(samples: Mask, paper: float) -> Mask:
    """Return 1 for each grid cell with ink and 0 for paper; the last, partial row and column are padded."""
    spare = [(0, -length % _SAMPLES_PER_CELL) for length in samples.shape]
    ink = np.pad(samples < paper * _INK, spare)
    rows, columns = (length // _SAMPLES_PER_CELL for length in ink.shape)
    share = ink.reshape(rows, _SAMPLES_PER_CELL, columns, _SAMPLES_PER_CELL).mean(axis=(1, 3))
    cells: Mask = (share > _INKED_SHARE).astype(np.uint8)
    return cells


def _components(cells: Mask) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield left, top, width, height and dark area of each connected shape, in cells; bridge gaps of one cell.

    A shape that fills little of its box is looked at without its rules: one between columns may touch a picture.
    """
    import cv2  # noqa: PLC0415  # comes with rapidocr and is slow to import; only a worker needs it

    block = np.ones((3, 3), np.uint8)
    bridged = cv2.morphologyEx(cells, cv2.MORPH_CLOSE, block)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(bridged, connectivity=8)
    for label, (left, top, width, height, area) in enumerate(statistics.tolist()):
        if not label:  # the paper
            continue
        yield left, top, width, height, area
        if area < _SMALLEST_FILL * width * height:
            shape: Mask = (labels == label).astype(np.uint8)
            without_rules = cv2.morphologyEx(shape, cv2.MORPH_OPEN, block)
            _, _, parts, _ = cv2.connectedComponentsWithStats(without_rules, connectivity=8)
            yield from (tuple(part) for part in parts[1:].tolist())


def _is_large(picture: Picture, page: Image) -> bool:
    box = picture.bbox
    return (
        box.width * box.height >= _SMALLEST_AREA * page.width * page.height
        and min(box.width, box.height) >= _SMALLEST_SIDE * min(page.size)
        and picture.fill >= _SMALLEST_FILL
    )


def _is_around_paper(box: Box, page: Image, text: Sequence[Box]) -> bool:
    """Return whether a dark area is the scanner's bed, or another frame around text: a picture has none inside."""
    inside = [line for line in text if box.x < line.centre_x < box.right and box.y < line.centre_y < box.bottom]
    strip = _beside_paper(box, page)
    edge = _SAMPLES_PER_CELL * max(page.size) / _SAMPLES_ALONG_SIDE
    at_left, at_right = box.x <= edge, box.right >= page.width - edge
    at_top, at_bottom = box.y <= edge, box.bottom >= page.height - edge
    if inside and at_left + at_right + at_top + at_bottom > 1:
        return True
    return strip or sum(line.width * line.height for line in inside) >= _TEXT_INSIDE * box.width * box.height


def _beside_paper(box: Box, page: Image) -> bool:
    """Return whether a dark area is a strip along one edge of the page: the bed, or other pages below this one."""
    near_x, near_y = _NEAR_EDGE * page.width, _NEAR_EDGE * page.height
    at_side = (box.x <= near_x) != (box.right >= page.width - near_x)
    at_end = (box.y <= near_y) != (box.bottom >= page.height - near_y)
    return (at_side and box.height >= _BED_SIDE * page.height and box.width <= _BED_WIDTH * page.width) or (
        at_end and box.width >= _BED_SIDE * page.width and box.height <= _BED_WIDTH * page.height
    )
