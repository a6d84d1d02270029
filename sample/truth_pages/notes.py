"""Notes at the foot of the text and in the outer margin."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sample.truth_pages.flow import Frame
from sample.truth_pages.leaf import Leaf
from sample.truth_pages.model import RegionKind
from sample.truth_pages.setting import SetLine, Texts, Type, take_line, type_of
from sample.truth_pages.sheet import PrintedSheet

NOTE_SCALE = 0.8
"""Size of the type of notes, as a share of that of the text."""
_GAP = 1.2
"""White above the footnotes, in lines of theirs."""


@dataclass(frozen=True, slots=True)
class Footnotes:
    """Footnotes that have been set: the lines of each.

    Attributes:
        notes: the lines of each note.
        type: that they are set in.
        has_rule: whether a short rule divides them from the text.
    """

    notes: Sequence[Sequence[SetLine]]
    type: Type
    has_rule: bool

    @property
    def height(self) -> float:
        """Height that they take, with the white above them, in pixels."""
        lines = sum(len(note) for note in self.notes)
        return (lines + _GAP) * self.type.leading if lines else 0.0

    def print_at_foot(self, sheet: PrintedSheet, frame: Frame) -> None:
        """Print them at the bottom of a frame."""
        y = frame.bottom - self.height + _GAP * self.type.leading
        if self.notes and self.has_rule:
            level = y - 0.5 * self.type.leading
            rule = sheet.rule((frame.left, level), (frame.left + 0.3 * frame.width, level), 2)
            sheet.add(RegionKind.SEPARATOR, (), around=[rule])
        for note in self.notes:
            lines = []
            for line in note:
                y += self.type.leading
                at = (frame.left, y - 0.25 * self.type.leading)
                lines.append(sheet.print_words(line.words, self.type.font, at, line.space))
            sheet.add(RegionKind.FOOTNOTE, lines)


def set_footnotes(leaf: Leaf, width: float) -> Footnotes:
    """Set the footnotes that the recipe asks for, in a width in pixels."""
    type_ = type_of(leaf.recipe, NOTE_SCALE)
    notes = []
    for number in range(1, leaf.recipe.footnotes + 1):
        words = deque(_note(leaf.texts, number, leaf.number).split())
        lines = []
        while words:
            lines.append(take_line(words, width, type_.font))
        notes.append(lines)
    return Footnotes(notes, type_, leaf.chance(0.5))


def print_marginalia(leaf: Leaf) -> None:
    """Print remarks into the outer margin, one below the other with white between them."""
    type_ = type_of(leaf.recipe, NOTE_SCALE)
    remarks = leaf.texts.several_of(leaf.texts.language.remarks, leaf.recipe.marginalia)
    share = (leaf.margin.bottom - leaf.margin.top) / max(1, len(remarks))
    for index, remark in enumerate(remarks):
        y = leaf.margin.top + share * (index + 0.5 * float(leaf.random.random()))
        words, lines = deque(remark.split()), []
        while words:
            y += type_.leading
            taken = take_line(words, leaf.margin.width, type_.font, justify=False)
            lines.append(leaf.sheet.print_words(taken.words, type_.font, (leaf.margin.left, y), taken.space))
        leaf.sheet.add(RegionKind.MARGINALIA, lines)


def _note(texts: Texts, number: int, page: int) -> str:
    return f"{number}) {texts.sentence()} ({texts.language.page} {page + 7 * number})"
