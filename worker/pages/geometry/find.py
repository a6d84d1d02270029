"""Find the geometry of a page from its picture: crop to the paper, straighten, turn the right way up."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.ink import Mask, SmallCopy, letters, small_copy
from worker.pages.geometry.paper import Paper, box_of, find_paper
from worker.pages.geometry.settings import AUTO, OFF, GeometrySettings
from worker.pages.geometry.skew import LIMIT, exact_degrees, lines_along
from worker.pages.geometry.transform import Confidence, Geometry, Size, whole_box
from worker.pages.geometry.turn import PIECE_HEIGHT, Classifier, Vote, find_pieces, vote

Page = NDArray[Any]

_SMALLEST_SKEW = 0.2
"""In degrees; a page with less stays as it is, pixel by pixel."""
_SMALLEST_SKEW_OF_PAPER = 0.5
"""The same for a sheet without print, such as a plate, whose sides are less exact than lines."""
_SHARP = 1.15
"""Minimum sharpness of the profile of a page that is straightened."""
_SHARPER = 1.06
"""Minimum of the sharpness along the lines over that across them, where the direction of the lines is clear."""
_FEWEST_PIECES = 3
"""With fewer pieces of lines there is no text to straighten or to turn: a plate, or a page number alone."""
_FEWEST_FOR_DOUBT = 12
"""With fewer pieces a page is not doubtful text, but a plate with its caption."""
_EVIDENCE = 2.0
"""Minimum evidence to turn a page upside down."""
_LEANING = 1.0
"""Minimum evidence to turn a page on its side, which is wrong as it is; also where more than chance speaks."""
_AT_PAPER_EDGE = 7
"""Pixels of the copy along the edges of the paper in which ink does not count."""

_DOUBT = "the page may be turned, which its lines do not tell clearly; {}"

Matrices = list[NDArray[np.float64]]


class Found(NamedTuple):
    """What was found.

    Attributes:
        geometry: of the page; the identity for a page that stays as it is.
        doubt: what is unclear, in words; empty for nearly every page.
    """

    geometry: Geometry
    doubt: str = ""


class Lines(NamedTuple):
    """The lines of print on a page.

    Attributes:
        skew: in degrees.
        sideways: whether they run upwards or downwards.
        sharpness: of the profile along them.
        ratio: of that to the sharpness across them.
        pieces: of the lines, read from top to bottom if they are sideways: for each the matrix of shape (2, 3) from
            points of its picture to points of the page.
    """

    skew: float
    sideways: bool
    sharpness: float
    ratio: float
    pieces: Matrices

    @property
    def are_clear(self) -> bool:
        """Whether their direction is clear."""
        return self.sharpness >= _SHARP and self.ratio >= _SHARPER


def find_geometry(page: Page, settings: GeometrySettings, classify: Classifier) -> Found:
    """Return the geometry of a page.

    Args:
        page: bytes of shape (height, width), or (height, width, 3) with red, green and blue.
        settings: what to do.
        classify: returns the probability that pictures of pieces of lines are upside down.
    """
    height, width = page.shape[:2]
    copy = small_copy(page)
    paper = find_paper(copy.grey, copy.ink) if settings.crop == AUTO else None
    ink = ink_on(copy, paper)
    lines = find_lines(letters(ink), copy.scale) if settings.needs_lines else None
    skew, sure_of_skew = _skew(settings, lines, paper)
    turns, sure_of_turn, doubt = find_turns(settings, page, lines, classify)
    box, sure_of_crop = _box(settings, (width, height), copy, paper, skew)
    confidence = Confidence(
        crop=round(sure_of_crop, 3), rotate=round(sure_of_turn, 3), deskew=round(sure_of_skew, 3)
    )
    source = Size(width=width, height=height)
    return Found(Geometry(source=source, box=box, quarter_turns=turns, skew=skew, confidence=confidence), doubt)


def ink_on(copy: SmallCopy, paper: Paper | None) -> Mask:
    """Return the ink of a copy on its paper, without the edges of that, whose shadows look like ink."""
    if paper is None:
        return copy.ink
    kernel = np.ones((2 * _AT_PAPER_EDGE + 1,) * 2, np.uint8)
    inside: Any = cv2.erode(paper.mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(copy.ink & inside, np.uint8)


def find_lines(ink: Mask, scale: float) -> Lines | None:
    """Return the lines on a copy of a page; None if there is too little print."""
    along, across = lines_along(ink), lines_along(np.ascontiguousarray(ink.T))
    if along is None or across is None:
        return None
    sideways = across.sharpness > along.sharpness
    # A transposed picture is turned the other way.
    skew = -exact_degrees(across) if sideways else exact_degrees(along)
    best, other = max(along.sharpness, across.sharpness), min(along.sharpness, across.sharpness)
    pieces = _pieces(ink, scale, skew, sideways)
    return Lines(skew, sideways, best, best / other, pieces) if len(pieces) >= _FEWEST_PIECES else None


def _pieces(ink: Mask, scale: float, skew: float, sideways: bool) -> Matrices:
    straight = whole_turned((ink.shape[1], ink.shape[0]), skew, int(sideways))
    upright: Any = cv2.warpAffine(
        ink, np.array(straight.to_source), straight.size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    to_copy = np.vstack([straight.to_source, [0, 0, 1]])
    matrices = []
    for piece in find_pieces(upright):
        zoom = piece.height / PIECE_HEIGHT
        matrices.append((to_copy @ np.array([[zoom, 0, piece.x], [0, zoom, piece.y], [0, 0, 1]]))[:2] / scale)
    return matrices


def whole_turned(size: tuple[int, int], skew: float, quarter_turns: int = 0) -> Geometry:
    """Return the geometry that shows all of a picture, turned."""
    return Geometry(
        source=Size(width=size[0], height=size[1]),
        box=whole_box(size, skew),
        quarter_turns=quarter_turns,
        skew=skew,
        confidence=Confidence(),
    )


def _skew(settings: GeometrySettings, lines: Lines | None, paper: Paper | None) -> tuple[float, float]:
    """Return the skew in degrees, 0 where the page stays as it is, and the confidence."""
    if settings.deskew != AUTO:
        return (0.0 if settings.deskew == OFF else float(settings.deskew)), 1.0
    if lines is None and paper is not None and _SMALLEST_SKEW_OF_PAPER <= abs(paper.skew) <= LIMIT:
        return round(paper.skew, 3), paper.confidence
    if lines is None or not lines.are_clear or abs(lines.skew) > LIMIT - 0.5:
        return 0.0, 0.0
    return (round(lines.skew, 3) if abs(lines.skew) >= _SMALLEST_SKEW else 0.0), 1 - 1 / lines.sharpness**3


def find_turns(
    settings: GeometrySettings, page: Page, lines: Lines | None, classify: Classifier
) -> tuple[int, float, str]:
    """Return the clockwise quarter turns, the confidence, and what is unclear."""
    if settings.rotate != AUTO:
        return (0 if settings.rotate == OFF else int(settings.rotate) // 90), 1.0, ""
    if lines is None:
        return 0, 0.0, ""
    found = vote(page, lines.pieces, classify)
    turns = 2 * (found.evidence < 0) + lines.sideways
    enough = _LEANING if lines.sideways else _EVIDENCE
    if turns == 0 or (lines.are_clear and abs(found.evidence) >= enough):
        unclear = lines.sideways and abs(found.evidence) < _EVIDENCE
        return turns, found.confidence, _DOUBT.format(f"it was turned by {90 * turns} degrees") if unclear else ""
    return 0, 1 - found.confidence, _doubt_about_left(lines, found)


def _doubt_about_left(lines: Lines, found: Vote) -> str:
    """Return what is unclear about a page that looks turned and is left as it is."""
    if (
        not lines.are_clear
        or len(lines.pieces) < _FEWEST_FOR_DOUBT
        or (found.evidence > -_LEANING and not lines.sideways)
    ):
        return ""
    return _DOUBT.format("it was left as it is")


def _box(
    settings: GeometrySettings, size: tuple[int, int], copy: SmallCopy, paper: Paper | None, skew: float
) -> tuple[tuple[int, int, int, int], float]:
    """Return the box of the page, as `Geometry` has it, and the confidence."""
    width, height = size
    if settings.crop not in {AUTO, OFF}:
        left, top, right, bottom = (float(part) / 100 for part in settings.crop.split(","))
        x, y = round(left * width), round(top * height)
        return (x, y, max(1, round((1 - right) * width) - x), max(1, round((1 - bottom) * height) - y)), 1.0
    if paper is None:
        return whole_box(size, skew), 1.0 if settings.crop == OFF else 0.0
    return _paper_box(copy, paper, skew), paper.confidence


def _paper_box(copy: SmallCopy, paper: Paper, skew: float) -> tuple[int, int, int, int]:
    """Return the box of the paper, whose middle is where the page is turned around."""
    straight = whole_turned((paper.mask.shape[1], paper.mask.shape[0]), skew)
    mask: Any = cv2.warpAffine(
        paper.mask, np.array(straight.to_source), straight.size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    box = box_of(mask)
    middle_x, middle_y = straight.point_on_source(((box.left + box.right) / 2, (box.top + box.bottom) / 2))
    page_width, page_height = (box.right - box.left) / copy.scale, (box.bottom - box.top) / copy.scale
    left, top = middle_x / copy.scale - page_width / 2, middle_y / copy.scale - page_height / 2
    return round(left), round(top), max(1, round(page_width)), max(1, round(page_height))
