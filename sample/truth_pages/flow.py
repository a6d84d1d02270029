"""Filling columns with text from the first to the last."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sample.truth_pages.model import RegionKind, TrueLine, TrueWord
from sample.truth_pages.setting import Type, take_line
from sample.truth_pages.sheet import PrintedSheet, bounds, upright

_INDENT = 1.2
"""Of the first line of a paragraph, in ems."""
_DROP_LINES = 2
"""How many lines a drop capital is high."""
_DROP_LETTERS = 2
"""The fewest letters of a word that begins with one."""
_HANGING = 2.0
"""Indent of what is left of a line of verse that is too long, in ems."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle that is filled with text, in pixels of the sheet."""

    left: float
    top: float
    width: float
    bottom: float


class Flow:
    """Text that runs through frames.

    Args:
        sheet: to print on.
        frames: in reading order.
        body: the type of the text.
    """

    def __init__(self, sheet: PrintedSheet, frames: Sequence[Frame], body: Type) -> None:
        self._sheet = sheet
        self._frames: Iterator[Frame] = iter(frames)
        self.frame: Frame | None = None
        self.y = 0.0
        self.body = body
        self.next_frame()

    @property
    def room(self) -> float:
        """Height that is left in the frame, in pixels; 0 when all are full."""
        return self.frame.bottom - self.y if self.frame else 0.0

    @property
    def at_top(self) -> bool:
        """Whether nothing is in the frame yet."""
        return self.frame is not None and self.y == self.frame.top

    def next_frame(self) -> None:
        """Go on in the next frame; without one there is no room left."""
        self.frame = next(self._frames, None)
        self.y = self.frame.top if self.frame else 0.0

    def skip(self, height: float) -> None:
        """Leave some white, unless at the top of a frame."""
        if not self.at_top:
            self.y += height

    def paragraph(self, words: deque[str], *, indent: bool = True, drop_capital: bool = False) -> None:
        """Print a paragraph; what has no room in the last frame stays in `words`."""
        lines: list[TrueLine] = []
        first = True
        # A word that is but a letter, or begins with a quotation mark, does not get one.
        fits = self.room > (_DROP_LINES + 1) * self.body.leading
        if drop_capital and fits and words[0][:_DROP_LETTERS].isalpha() and len(words[0]) >= _DROP_LETTERS:
            lines = self._drop_capital(words)
            first = False
        while words and self.frame:
            if self.room < self.body.leading:
                self._end_region(lines, goes_on=True)
                self.next_frame()
                continue
            shift = _INDENT * self.body.em if first and indent else 0.0
            lines.append(self._line(words, shift))
            first = False
        self._end_region(lines, goes_on=bool(words))

    def block(self, kind: RegionKind, words: deque[str], kind_type: Type, *, centred: bool) -> None:
        """Print a region that is not divided, as wide as the frame; it must have room."""
        frame = self.frame
        if frame is None:
            return
        lines = []
        while words:
            self.y += kind_type.leading
            taken = take_line(words, frame.width, kind_type.font, justify=not centred)
            shift = (frame.width - taken.width) / 2 if centred else 0.0
            at = (frame.left + shift, self._baseline(kind_type))
            lines.append(self._sheet.print_words(taken.words, kind_type.font, at, taken.space))
        self._sheet.add(kind, lines)

    def verse(self, stanza: Sequence[str]) -> None:
        """Print a stanza; a line that is too long goes on with a hanging indent. It must have room."""
        frame = self.frame
        if frame is None:
            return
        indent = min(2 * self.body.em, frame.width / 8)
        lines = []
        for verse in stanza:
            words, shift = deque(verse.split()), indent
            while words:
                lines.append(self._line(words, shift, justify=False))
                shift = indent + _HANGING * self.body.em
        self._sheet.add(RegionKind.VERSE, lines)

    def _line(self, words: deque[str], shift: float, *, justify: bool = True) -> TrueLine:
        if self.frame is None:
            raise ValueError("a line needs a frame")
        self.y += self.body.leading
        taken = take_line(words, self.frame.width - shift, self.body.font, justify=justify)
        at = (self.frame.left + shift, self._baseline(self.body))
        return self._sheet.print_words(taken.words, self.body.font, at, taken.space)

    def _baseline(self, type_: Type) -> float:
        """Return the baseline of a line that ends at `y`."""
        return self.y - 0.25 * type_.leading

    def _drop_capital(self, words: deque[str]) -> list[TrueLine]:
        """Print the first letter over several lines, and those beside it."""
        frame = self.frame
        if frame is None:
            return []
        first = words.popleft()
        words.appendleft(first[1:])
        lowest = self.y + _DROP_LINES * self.body.leading - 0.25 * self.body.leading
        height = (_DROP_LINES - 1) * self.body.leading + 0.67 * self.body.em
        font = self.body.font.font_variant(size=height / 0.67)
        letter = self._sheet.print_word(first[0], font, (frame.left, lowest))
        width = font.getlength(first[0]) + 0.25 * self.body.em
        lines = [self._line(words, width) for _ in range(_DROP_LINES) if words]
        return [_with_capital(lines[0], letter), *lines[1:]]

    def _end_region(self, lines: list[TrueLine], *, goes_on: bool) -> None:
        if lines:
            self._sheet.add(RegionKind.PARAGRAPH, lines, goes_on=goes_on)
            lines.clear()


def _with_capital(line: TrueLine, letter: TrueWord) -> TrueLine:
    """Return the first line with the capital in its first word, but not in the polygon of the line."""
    first, *others = line.words
    polygon = upright(bounds([letter.polygon, first.polygon]))
    return replace(line, words=(TrueWord(letter.text + first.text, polygon), *others))
