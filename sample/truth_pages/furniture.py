"""What stands around the text: running head and page number, signature and catchword."""

from dataclasses import dataclass

from sample.truth_pages.fonts import ITALIC, REGULAR
from sample.truth_pages.leaf import Leaf
from sample.truth_pages.model import RegionKind
from sample.truth_pages.setting import Type, type_of

_SCALE = 0.85
_HEAD_GAP = 1.6
"""From the baseline of the running head to the text, in lines of text."""
_FOOT_GAP = 2.0
"""From the end of the text to the baseline of the page number, in lines of text."""
_SIGNATURES = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class _Part:
    """Words of the row above or below the text, and where they begin."""

    kind: RegionKind
    text: str
    x: float
    type: Type


def print_top(leaf: Leaf) -> None:
    """Print the running head, and the page number beside it if it stands at the top."""
    recipe, block = leaf.recipe, leaf.block
    body = type_of(recipe)
    style = ITALIC if leaf.chance(0.4) else REGULAR
    title = leaf.texts.one_of(leaf.texts.language.titles)
    head = title if style == ITALIC or recipe.typeface == "fraktur" else title.upper()
    number = str(leaf.number)
    type_ = type_of(recipe, _SCALE, style)
    parts = []
    if recipe.running_head:
        x = block.left + (block.width - type_.font.getlength(head)) / 2
        parts.append(_Part(RegionKind.RUNNING_HEAD, head, x, type_))
    if recipe.page_number == "top":
        upright_type = type_of(recipe, _SCALE)
        right = block.left + block.width - upright_type.font.getlength(number)
        parts.append(_Part(RegionKind.PAGE_NUMBER, number, right if leaf.is_right else block.left, upright_type))
    baseline = block.top - _HEAD_GAP * body.leading
    _print_row(leaf, parts, baseline)
    if parts and leaf.chance(0.3):
        y = baseline + 0.45 * body.leading
        rule = leaf.sheet.rule((block.left, y), (block.left + block.width, y), max(1, round(body.em / 20)))
        leaf.sheet.add(RegionKind.SEPARATOR, (), around=[rule])


def print_bottom(leaf: Leaf, next_word: str) -> None:
    """Print what stands below the text.

    Args:
        leaf: to print on.
        next_word: the first one of the next page, for the catchword; empty without one.
    """
    recipe, block = leaf.recipe, leaf.block
    body, type_ = type_of(recipe), type_of(recipe, _SCALE)
    row = []
    if recipe.signature:
        sheet = leaf.number // 16
        text = f"{_SIGNATURES[sheet % len(_SIGNATURES)]} {1 + leaf.number % 4}"
        row.append(_Part(RegionKind.SIGNATURE, text, block.left + 0.3 * block.width, type_))
    if recipe.catchword and next_word:
        x = block.left + block.width - body.font.getlength(next_word)
        row.append(_Part(RegionKind.CATCHWORD, next_word, x, body))
    _print_row(leaf, row, block.bottom + body.leading)
    if recipe.page_number == "bottom":
        number = str(leaf.number)
        x = block.left + (block.width - type_.font.getlength(number)) / 2
        shift = _FOOT_GAP + (0.6 if row else 0.0)
        _print_row(leaf, [_Part(RegionKind.PAGE_NUMBER, number, x, type_)], block.bottom + shift * body.leading)


def _print_row(leaf: Leaf, parts: list[_Part], baseline: float) -> None:
    """Print parts of one row; they are read from left to right."""
    for part in sorted(parts, key=lambda part: part.x):
        line = leaf.sheet.print_words(part.text.split(), part.type.font, (part.x, baseline))
        leaf.sheet.add(part.kind, [line])
