"""Count the errors of a reading, and the rates that follow from the counts.

A character is a grapheme cluster of Unicode (UAX #29), what a reader takes for one letter; a word is what stands
between spaces. Errors are the insertions, deletions and substitutions that turn the truth into the reading, as few
as possible (Levenshtein distance). docs/reference/evaluation.md defines the rates and has the sources.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from rapidfuzz.distance import LCSseq, Levenshtein
from wcwidth import iter_graphemes


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted on one page, or on many.

    Attributes:
        characters, words: of the truth.
        character_errors, word_errors: Levenshtein distances between truth and reading.
        recalled_words: words of the truth that the reading has as well, wherever they stand, each as often as
            both have it.
        ordered_words: length of the longest common subsequence of words: the recalled words in the truth's order.
    """

    characters: int = 0
    character_errors: int = 0
    words: int = 0
    word_errors: int = 0
    recalled_words: int = 0
    ordered_words: int = 0

    @property
    def cer(self) -> float | None:
        """Character errors per character of the truth; above 1 if much was invented. None without characters."""
        return _ratio(self.character_errors, self.characters)

    @property
    def wer(self) -> float | None:
        """Word errors per word of the truth; None without words."""
        return _ratio(self.word_errors, self.words)

    @property
    def word_recall(self) -> float | None:
        """Share of the truth's words that were read, independent of their order; None without words."""
        return _ratio(self.recalled_words, self.words)

    @property
    def word_order(self) -> float | None:
        """Share of the recalled words that are in the right order; None if no word was recalled."""
        return _ratio(self.ordered_words, self.recalled_words)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def count_errors(truth: str, reading: str) -> Counts:
    """Compare a reading with the truth, after both have gone through the same rules, `spaces` the last of them."""
    printed, read = graphemes(truth), graphemes(reading)
    words, read_words = truth.split(), reading.split()
    return Counts(
        characters=len(printed),
        character_errors=Levenshtein.distance(printed, read),
        words=len(words),
        word_errors=Levenshtein.distance(words, read_words),
        recalled_words=(Counter(words) & Counter(read_words)).total(),
        ordered_words=LCSseq.similarity(words, read_words),
    )


def graphemes(text: str) -> Sequence[str]:
    """Return the grapheme clusters of a text."""
    return text if text.isascii() else list(iter_graphemes(text))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
