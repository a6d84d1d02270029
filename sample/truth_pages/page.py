"""Printing a leaf: the order in which its parts are printed is the order in which they are read.

Running head and page number at the top; the heading; the columns from left to right with what is in them; remarks
in the margin; footnotes; signature and catchword; the page number at the foot.
"""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise

from sample.truth_pages.blocks import Block, picture, print_picture, stanza, subheading, table
from sample.truth_pages.flow import Flow, Frame
from sample.truth_pages.fonts import BOLD, REGULAR
from sample.truth_pages.furniture import print_bottom, print_top
from sample.truth_pages.leaf import Leaf
from sample.truth_pages.model import RegionKind
from sample.truth_pages.notes import print_marginalia, set_footnotes
from sample.truth_pages.setting import take_line, type_of

COLUMN_GAP = 1.6
"""White between columns, in ems."""
_PLATE_HEIGHT = 0.75
"""Of the block of text."""
_FEWEST_SENTENCES, _MOST_SENTENCES = 2, 5


def print_page(leaf: Leaf) -> None:
    """Print a page of text."""
    print_top(leaf)
    top = _print_heading(leaf) if leaf.recipe.heading else leaf.block.top
    frames = _columns(leaf, top)
    notes_in = frames[-1]
    footnotes = set_footnotes(leaf, notes_in.width)
    frames[-1] = Frame(notes_in.left, top, notes_in.width, notes_in.bottom - footnotes.height)
    left_over = _fill(leaf, frames)
    if leaf.recipe.column_rules:
        _print_column_rules(leaf, frames)
    print_marginalia(leaf)
    footnotes.print_at_foot(leaf.sheet, notes_in)
    print_bottom(leaf, left_over)


def print_plate(leaf: Leaf) -> None:
    """Print a picture with its caption, and nothing else."""
    block = leaf.block
    height = min(_PLATE_HEIGHT * (block.bottom - block.top), 1.3 * block.width)
    caption = leaf.texts.one_of(leaf.texts.language.captions)
    print_picture(leaf, caption, (block.left, block.top, block.width, height))


def _print_heading(leaf: Leaf) -> float:
    """Print a heading over the whole block of text, and return where it ends."""
    block, body = leaf.block, type_of(leaf.recipe)
    scale = float(leaf.random.uniform(1.4, 2.2))
    type_ = type_of(leaf.recipe, scale, BOLD if leaf.chance(0.5) else REGULAR)
    words, lines, y = deque(leaf.texts.one_of(leaf.texts.language.titles).split()), [], block.top
    while words:
        y += type_.leading
        taken = take_line(words, block.width, type_.font, justify=False)
        at = (block.left + (block.width - taken.width) / 2, y - 0.25 * type_.leading)
        lines.append(leaf.sheet.print_words(taken.words, type_.font, at, taken.space))
    leaf.sheet.add(RegionKind.HEADING, lines)
    return y + 0.8 * body.leading


def _columns(leaf: Leaf, top: float) -> list[Frame]:
    """Return the frames of the columns, from left to right."""
    block, shares = leaf.block, leaf.recipe.columns
    gap = COLUMN_GAP * leaf.recipe.em
    room = block.width - gap * (len(shares) - 1)
    widths = [room * share / sum(shares) for share in shares]
    lefts = accumulate((width + gap for width in widths[:-1]), initial=block.left)
    return [Frame(left, top, width, block.bottom) for left, width in zip(lefts, widths, strict=True)]


def _fill(leaf: Leaf, frames: Sequence[Frame]) -> str:
    """Fill the columns and return the first word that had no room any more."""
    flow = Flow(leaf.sheet, frames, type_of(leaf.recipe))
    blocks = _blocks(leaf, min(frame.width for frame in frames))
    words = leaf.texts.paragraph(_FEWEST_SENTENCES, _MOST_SENTENCES)
    flow.paragraph(words, indent=False, drop_capital=leaf.recipe.drop_capital)
    while not words:
        if fitting := next((block for block in blocks if block.height <= flow.room), None):
            blocks.remove(fitting)
            fitting.print_in(flow)
            if leaf.chance(0.5):
                continue
        words = leaf.texts.paragraph(_FEWEST_SENTENCES, _MOST_SENTENCES)
        flow.paragraph(words)
    return words[0]


def _blocks(leaf: Leaf, width: float) -> list[Block]:
    """Return what the recipe has between the paragraphs; each fits into a width in pixels."""
    recipe = leaf.recipe
    blocks = []
    if recipe.table != "none":
        blocks.append(table(leaf, width))
    if recipe.verse:
        blocks.append(stanza(leaf))
    if recipe.picture:
        blocks.append(picture(leaf, width))
    if len(recipe.columns) > 1:
        blocks.append(subheading(leaf))
    order = leaf.random.permutation(len(blocks))
    return [blocks[int(index)] for index in order]


def _print_column_rules(leaf: Leaf, frames: Sequence[Frame]) -> None:
    thickness = max(1, round(leaf.recipe.em / 20))
    for one, other in pairwise(frames):
        x = (one.left + one.width + other.left) / 2
        rule = leaf.sheet.rule((x, one.top), (x, one.bottom), thickness)
        leaf.sheet.add(RegionKind.SEPARATOR, (), around=[rule])
