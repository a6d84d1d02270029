"""Find the gutter of a spread: two pages on one picture. In doubt the picture stays whole.

The gutter shows as a fold, which is darker than the paper at both sides from the upper edge of the sheet to the
lower one, or as a broad band without ink between two blocks of text. Where print, a picture or a table reaches
across it, the sheet is a fold-out or a plate.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.across import reaches_across
from worker.pages.geometry.find import Lines, Page, find_lines, find_turns, ink_on, whole_turned
from worker.pages.geometry.fold import Fold, Sheet, blank_strips, find_fold, find_likely_gutter, find_white_gutter
from worker.pages.geometry.gutter import Gutter
from worker.pages.geometry.ink import Grey, Mask, letters, small_copy
from worker.pages.geometry.paper import Paper, box_of, find_paper
from worker.pages.geometry.settings import AUTO, GeometrySettings
from worker.pages.geometry.turn import Classifier

NARROWEST = 1.0
"""Minimum width of the paper of a spread, in its heights."""
Shares = NDArray[np.float64]

_SMALLEST_SHEET = 200
"""Minimum width and height of the paper on the copy, in pixels."""


class FoundGutter(NamedTuple):
    """What was found.

    Attributes:
        gutter: None for a picture that stays whole.
        doubt: why a picture that may be a spread stays whole, in words; empty for one that clearly is not.
    """

    gutter: Gutter | None
    doubt: str = ""


_WHOLE = FoundGutter(None)


def find_gutter(
    page: Page, settings: GeometrySettings, classify: Classifier, *, eager: bool = False
) -> FoundGutter:
    """Return the gutter of a picture that is a spread.

    Args:
        page: bytes of shape (height, width), or (height, width, 3) with red, green and blue.
        settings: a turn that is set is taken for granted.
        classify: returns the probability that pictures of pieces of lines are upside down. It is asked only about
            pictures with a gutter.
        eager: whether the middle of the broadest white near the middle is taken where no gutter is clear.
    """
    copy = small_copy(page)
    paper = find_paper(copy.grey, copy.ink)
    ink = ink_on(copy, paper)
    lines = find_lines(letters(ink), copy.scale)
    sheet = straight_sheet(copy.grey, ink, paper, lines)
    height, width = sheet.grey.shape
    if width < NARROWEST * height or height < _SMALLEST_SHEET:
        return _WHOLE
    strips = blank_strips(sheet)
    fold = find_fold(sheet, strips)
    if fold is None:
        fold = find_white_gutter(sheet)
    if fold is None and eager:
        fold = find_likely_gutter(sheet)
    if fold is None:
        return FoundGutter(None, "it has no clear gutter") if eager else _WHOLE
    if reaches_across(sheet, fold, strips):
        return FoundGutter(None, "something reaches across its fold")
    turns, is_known = _turns(page, lines, settings, classify)
    if not is_known:
        return FoundGutter(None, "its lines do not tell clearly which way up it is")
    return FoundGutter(_on_source(sheet, fold, turns, copy.grey.shape))


def _turns(page: Page, lines: Lines | None, settings: GeometrySettings, classify: Classifier) -> tuple[int, bool]:
    """Return the quarter turns that bring the picture upright, and whether they fit its lines."""
    turns, _, doubt = find_turns(settings, page, lines, classify)
    sideways = lines is not None and lines.are_clear and lines.sideways
    return turns, turns % 2 == sideways and not (doubt and settings.rotate == AUTO)


def _on_source(sheet: Sheet, fold: Fold, turns: int, shape: tuple[int, ...]) -> Gutter:
    """Return a fold as shares of the source image; a sheet is on its side or not, but never upside down."""
    height = sheet.grey.shape[0]
    ends = [(fold.at, 0.0), (fold.at + fold.slope * height, float(height))]
    size = np.array([shape[1], shape[0]])
    top, bottom = _within_picture(*(sheet.to_copy @ (*end, 1.0) / size for end in ends))
    # A sheet on its side was turned by one quarter; by three it would be upside down.
    return Gutter(top=bottom, bottom=top) if turns >= 2 else Gutter(top=top, bottom=bottom)  # noqa: PLR2004


def _within_picture(top: Shares, bottom: Shares) -> list[tuple[float, float]]:
    """Return the ends of a line, as shares of the picture, moved along it to where it leaves the picture."""
    along = bottom - top
    axis = int(np.argmax(np.abs(along)))
    ends = [end + along * (np.clip(end[axis], 0, 1) - end[axis]) / along[axis] for end in (top, bottom)]
    return [(round(float(x), 4), round(float(y), 4)) for x, y in np.clip(ends, 0, 1)]


def straight_sheet(grey: Grey, ink: Mask, paper: Paper | None, lines: Lines | None) -> Sheet:
    """Return the paper of a picture, straightened by its lines, or else by the sides of the paper.

    Args:
        grey: a copy of the picture, of shape (height, width).
        ink: of the copy.
        paper: on the copy; None where all of it is taken for paper.
        lines: of print; None where there are too few.
    """
    clear = lines is not None and lines.are_clear
    skew = lines.skew if lines is not None and clear else paper.skew if paper is not None else 0.0
    turned = whole_turned((grey.shape[1], grey.shape[0]), skew, int(lines is not None and clear and lines.sideways))
    to_copy, centred = np.array(turned.to_source), np.array(turned.pixels_to_source)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    straight: Any = cv2.warpAffine(grey, centred, turned.size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    marked: Any = cv2.warpAffine(ink, centred, turned.size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    if paper is None:
        return Sheet(straight, marked, to_copy)
    mask: Any = cv2.warpAffine(paper.mask, centred, turned.size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    box = box_of(mask)
    to_copy[:, 2] += to_copy[:, :2] @ (box.left, box.top)
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    return Sheet(
        np.ascontiguousarray(straight[rows, columns]), np.ascontiguousarray(marked[rows, columns]), to_copy
    )
