"""Breaking text into lines, one at a time, so that each can have a width of its own."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sample.truth_pages.fonts import ITALIC, REGULAR, Font, antiqua, fraktur
from sample.truth_pages.recipe import Recipe
from sample.truth_pages.texts import LANGUAGES

_VOWELS = frozenset("aeiouyäöüàâéèêëîïôûœαεηιουωάέήίόύώ")  # noqa: RUF001  # Greek ones too
_FEWEST_LETTERS = 3
"""Before and after a hyphen."""
_LOOSE = 1.7
"""A line whose spaces would be wider, in ordinary ones, gets a part of the next word, with a hyphen."""
_LOOSEST = 2.4
"""A line whose spaces would be wider is not justified: they would look like gaps between columns."""


@dataclass(frozen=True, slots=True)
class Type:
    """A typeface at one size.

    Attributes:
        font: to print with.
        leading: from one baseline to the next, in pixels.
    """

    font: Font
    leading: float

    @property
    def em(self) -> float:
        """Size of the type, in pixels."""
        return float(self.font.size)


def type_of(recipe: Recipe, scale: float = 1.0, style: str = REGULAR) -> Type:
    """Return the type of a page at a scale of that of its text."""
    size = round(recipe.em * scale, 1)
    if recipe.typeface == "fraktur":
        return Type(fraktur(size), size * 1.3)
    # Greek has no other styles in this typeface.
    return Type(antiqua(size, REGULAR if recipe.language == "el" and style == ITALIC else style), size * 1.25)


@dataclass(frozen=True, slots=True)
class SetLine:
    """A line that has been set: its words, the space between them in pixels, and its width."""

    words: tuple[str, ...]
    space: float
    width: float


def take_line(words: deque[str], width: float, font: Font, *, justify: bool = True) -> SetLine:
    """Take words for one line off the front; the last word may be divided, and what is left of it put back.

    Args:
        words: not empty; at least one is taken, even if it is too wide.
        width: of the line, in pixels.
        font: to set it in.
        justify: whether the spaces widen to fill the line, unless it is the last one or would be too loose.
    """
    ordinary = font.getlength(" ")
    taken, letters = [words.popleft()], 0.0
    letters = font.getlength(taken[0])
    while words and letters + font.getlength(words[0]) + len(taken) * ordinary <= width:
        letters += font.getlength(words[0])
        taken.append(words.popleft())
    if not words:
        return SetLine(tuple(taken), ordinary, letters + (len(taken) - 1) * ordinary)
    gaps = len(taken) - 1
    if gaps == 0 or (width - letters) / gaps > _LOOSE * ordinary:
        room = width - letters - (gaps + 1) * ordinary
        if divided := _divided(words[0], room, font):
            words[0] = divided[1]
            taken.append(divided[0])
            letters += font.getlength(divided[0])
            gaps += 1
    space = (width - letters) / gaps if gaps and justify else ordinary
    if space > _LOOSEST * ordinary:
        space = ordinary
    return SetLine(tuple(taken), space, letters + gaps * space)


def _divided(word: str, room: float, font: Font) -> tuple[str, str] | None:
    """Return the longest part of a word with a hyphen that fits into `room` pixels, and the rest."""
    for end in range(len(word) - _FEWEST_LETTERS, _FEWEST_LETTERS - 1, -1):
        start, rest = word[:end], word[end:]
        divisible = start.isalpha() and rest[:_FEWEST_LETTERS].isalpha()
        after_vowel = start[-1].lower() in _VOWELS and rest[0].lower() not in _VOWELS
        # The last vowel before the consonant: "th" and "ch" and the like stay together.
        if divisible and after_vowel and rest[1].lower() in _VOWELS and font.getlength(f"{start}-") <= room:
            return f"{start}-", rest
    return None


class Texts:
    """The texts of one page, drawn from those of its language."""

    def __init__(self, recipe: Recipe, random: np.random.Generator) -> None:
        language = LANGUAGES[recipe.language]
        self.language = language.with_long_s() if recipe.typeface == "fraktur" else language
        self._random = random
        self._sentences = self.language.sentences
        self._next = int(random.integers(len(self._sentences)))

    def paragraph(self, fewest: int = 2, most: int = 6) -> deque[str]:
        """Return the words of a paragraph of so many sentences, which go on where the last one ended."""
        count = int(self._random.integers(fewest, most + 1))
        return deque(word for _ in range(count) for word in self.sentence().split())

    def sentence(self) -> str:
        """Return the next sentence."""
        sentence = self._sentences[self._next % len(self._sentences)]
        self._next += 1
        return sentence

    def one_of(self, among: Sequence[str]) -> str:
        """Draw one of some texts."""
        return among[int(self._random.integers(len(among)))]

    def several_of(self, among: Sequence[str], count: int) -> list[str]:
        """Draw different ones of some texts, in their order."""
        chosen = self._random.choice(len(among), min(count, len(among)), replace=False)
        return [among[index] for index in sorted(int(index) for index in chosen)]
