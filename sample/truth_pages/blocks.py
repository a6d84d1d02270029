"""Blocks that are not divided between columns: headings, stanzas, tables and pictures with captions."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sample.truth_pages.flow import Flow
from sample.truth_pages.fonts import BOLD, ITALIC
from sample.truth_pages.leaf import Leaf
from sample.truth_pages.model import RegionKind
from sample.truth_pages.pictures import print_engraving, print_view
from sample.truth_pages.setting import Type, take_line, type_of
from sample.truth_pages.tables import draw_table

_CAPTION_SCALE = 0.85
_SMALLEST_ENGRAVING = 14
"""Its strokes run into each other if it is smaller, in ems of the text."""
_WIDEST_ENGRAVING = 1.8
"""The engraving is square: it does not stand in a place that is wider or higher than so many times its side."""
_HEIGHT_TO_WIDTH = (0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Block:
    """Something that needs a certain height, in pixels, and prints itself at the flow's place."""

    height: float
    print_in: Callable[[Flow], None]


def subheading(leaf: Leaf) -> Block:
    """Return a heading within a column."""
    type_ = type_of(leaf.recipe, 1.0, BOLD if leaf.chance(0.5) else ITALIC)
    title = leaf.texts.one_of(leaf.texts.language.titles)
    # A heading at the foot of a column would be alone.
    height = 2 * type_.leading + 4 * type_of(leaf.recipe).leading

    def print_in(flow: Flow) -> None:
        flow.skip(0.5 * type_.leading)
        flow.block(RegionKind.HEADING, deque(title.split()), type_, centred=True)
        flow.skip(0.3 * type_.leading)

    return Block(height, print_in)


def stanza(leaf: Leaf) -> Block:
    """Return a stanza."""
    body = type_of(leaf.recipe)
    index = int(leaf.random.integers(len(leaf.texts.language.verse)))
    lines = leaf.texts.language.verse[index]

    def print_in(flow: Flow) -> None:
        flow.skip(0.6 * body.leading)
        flow.verse(lines)
        flow.skip(0.6 * body.leading)

    # Each may go on once.
    return Block((2 * len(lines) + 1.2) * body.leading, print_in)


def table(leaf: Leaf, width: float) -> Block:
    """Return a table that fits into a width in pixels."""
    body = type_of(leaf.recipe)
    drawn = draw_table(leaf.texts, leaf.random, body, width, ruled=leaf.recipe.table == "ruled")

    def print_in(flow: Flow) -> None:
        if flow.frame is None:
            return
        flow.skip(0.5 * body.leading)
        drawn.print_on(leaf.sheet, body, flow.frame.left, flow.y, flow.frame.width)
        flow.y += drawn.height(body)
        flow.skip(0.5 * body.leading)

    return Block(drawn.height(body) + body.leading, print_in)


def picture(leaf: Leaf, width: float) -> Block:
    """Return a picture with its caption that is a width in pixels wide."""
    body = type_of(leaf.recipe)
    height = width * float(leaf.random.uniform(*_HEIGHT_TO_WIDTH))
    caption = leaf.texts.one_of(leaf.texts.language.captions)

    def print_in(flow: Flow) -> None:
        if flow.frame is None:
            return
        flow.skip(0.6 * body.leading)
        flow.y = print_picture(leaf, caption, (flow.frame.left, flow.y, flow.frame.width, height))
        flow.skip(0.8 * body.leading)

    return Block(height + 5 * body.leading, print_in)


def print_picture(leaf: Leaf, caption: str, box: tuple[float, float, float, float]) -> float:
    """Print a picture with its caption.

    Args:
        leaf: to print on.
        caption: below the picture.
        box: of the picture: left, top, width and height, in pixels of the sheet.

    Returns:
        Where the caption ends.
    """
    left, top, width, height = box
    side = min(width, height)
    is_square = max(width, height) < _WIDEST_ENGRAVING * side
    if leaf.chance(0.5) and is_square and side > _SMALLEST_ENGRAVING * leaf.recipe.em:
        around = print_engraving(leaf.sheet, left + (width - side) / 2, top, side)
    else:
        around = print_view(leaf.sheet, leaf.random, (round(left), round(top), round(width), round(height)))
    leaf.sheet.add(RegionKind.IMAGE, (), around=[around])
    return _print_caption(leaf, type_of(leaf.recipe, _CAPTION_SCALE, ITALIC), caption, (left, top + height, width))


def _print_caption(leaf: Leaf, type_: Type, caption: str, place: tuple[float, float, float]) -> float:
    left, y, width = place
    y += 0.4 * type_.leading
    words, lines = deque(caption.split()), []
    while words:
        y += type_.leading
        taken = take_line(words, width, type_.font, justify=False)
        at = (left + (width - taken.width) / 2, y)
        lines.append(leaf.sheet.print_words(taken.words, type_.font, at, taken.space))
    leaf.sheet.add(RegionKind.CAPTION, lines)
    return y + 0.3 * type_.leading
