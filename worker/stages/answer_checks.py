"""Checks that the answer of a model can be the text of the page. A refused answer never becomes an output.

Each check looks for one way in which models are known to fail, and compares the answer with the text that the model
was given: words that the book itself prints are allowed. The comparison is approximate, because the model may have
corrected misread words. Every check raises AnswerRefusedError of the kind that its first line names.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from worker.llm.errors import AnswerRefusedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Places = NDArray[np.int64]

MAX_GROWTH = 1.5
"""Maximum length of a corrected text as a multiple of the original, white space not counted."""
MIN_SHRINK = 0.5
"""Minimum length of a corrected text as a share of the original, white space not counted."""
LENGTH_SLACK = 16
"""Characters by which any text may exceed both limits: in a short text few characters are a large share."""
MIN_REPEATS = 4
"""Minimum number of repetitions in a row that make a phrase a loop."""
LOOP_SLACK = 48
"""Length of a repetition in characters that is always allowed: "ha ha ha", a row of stars."""
LOOP_GROWTH = 2
"""Maximum length of a repetition as a multiple of that on the page: a misread row of dots is several short ones."""
LONGEST_PHRASE = 400
"""Maximum length of a phrase whose repetition is searched for, in characters."""
LONGEST_NOTE = 1000
"""Maximum length of a reason or of another short text beside the page's own, in characters."""
ALIKE = 0.7
"""Minimum similarity of words that count as the same words, misread; 1 for equal words."""

# A phrase that is repeated at least MIN_REPEATS times over more than LOOP_SLACK characters has at least 37
# characters that also stand one phrase earlier: 26 places from which 12 in a row do.
_IN_A_ROW, _MIN_ROW = 12, 20
# Minimum lengths of a repetition: double letters are none; a part of a long phrase is one, if the rest is misread.
_SHORTEST_RUN, _LONG_RUN = 3, 12
_FENCE = "```"
# An engine may read three strokes as two.
_ALMOST_FENCE = "``"
_REFUSALS = (
    r"\bI'?m (?:very |so |really )?sorry,? (?:but )?(?:I|as an)\b",
    r"\b(?:I|I am|I'm) (?:can'?t|cannot|can not|won'?t|unable to|not able to) (?:assist|help with|comply|fulfil)\b",
    r"\b(?:I|I am|I'm) (?:can'?t|cannot|can not|unable to|not able to) (?:provide|transcribe|process|correct)\b",
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b",
)
_COMMENTARIES = (
    r"\b(?:here(?: is|'s)|below is) (?:the|your|a|my) (?:corrected|fixed|cleaned|revised|transcribed|proofread)\b",
    r"^\W{0,4}(?:corrected|fixed|revised|cleaned) (?:text|version|page|transcription)\W{0,3}:",
    r"\bI(?: have|'ve) (?:corrected|fixed|preserved|kept|transcribed|left unchanged|made the following)\b",
    r"\b(?:please )?let me know if (?:you|there)\b",
    r"^\W{0,4}note(?: to the user)?: (?:the|this|I|some) (?:text|original|page|OCR|image|scan|words|have|region)\b",
    r"\bno (?:corrections|changes) (?:were |are )?(?:needed|necessary|made|required)\b",
    r"\[(?:illegible|unreadable|unclear|sic|text cut off|no text)\]",
    r"</?think(?:ing)?>",
)
_REFUSAL = re.compile("|".join(_REFUSALS), re.IGNORECASE)
_COMMENTARY = re.compile("|".join(_COMMENTARIES), re.IGNORECASE | re.MULTILINE)


def check_answer(asked: Mapping[str, str], answered: Sequence[tuple[str, str]]) -> None:
    """Check that an answer can be the text of the page.

    Args:
        asked: text of each region that was asked about, by its id.
        answered: id and text of each region in the answer.

    Raises:
        AnswerRefusedError: a check failed; names it and the text.
    """
    check_regions(asked, [region for region, _ in answered])
    for region, text in answered:
        original = asked[region]
        check_blank(original, text)
        check_refusal(original, text)
        check_commentary(original, text)
        check_loop(original, text)
        check_length(original, text)


def check_notes(page: str, notes: Collection[str]) -> None:
    """Check that texts beside the page's own, such as reasons and running heads, are short (`loop`, `length`)."""
    for note in notes:
        check_loop(page, note)
        if len(note) > LONGEST_NOTE:
            raise AnswerRefusedError("length", f"a note has {len(note)} characters, more than {LONGEST_NOTE}")


def check_regions(asked: Collection[str], answered: Sequence[str]) -> None:
    """Check that the answer has each region once, and no other region (`regions_lost`)."""
    counts = Counter(answered)
    lost = [region for region in asked if region not in counts]
    strange = [region for region in counts if region not in asked]
    twice = [region for region, count in counts.items() if count > 1]
    wrong = {"missing": lost, "unknown": strange, "answered twice": twice}
    faults = "; ".join(f"{what}: {', '.join(regions[:5])}" for what, regions in wrong.items() if regions)
    if faults:
        raise AnswerRefusedError("regions_lost", f"regions {faults}")


def check_blank(original: str, answered: str) -> None:
    """Check that the answer has no text for an empty region (`text_on_blank`)."""
    if answered.strip() and not original.strip():
        raise AnswerRefusedError("text_on_blank", f"the region is empty, and the answer has {_quoted(answered)}")


def check_refusal(original: str, answered: str) -> None:
    """Check that the model does not decline, in words that the page does not have (`refusal`)."""
    if (words := _new_words(_REFUSAL, original, answered)) is not None:
        raise AnswerRefusedError("refusal", f"the model declines: {_quoted(words)}")


def check_commentary(original: str, answered: str) -> None:
    """Check that the model adds no comment of its own to the text (`commentary`)."""
    if _FENCE in answered and _ALMOST_FENCE not in original:
        raise AnswerRefusedError("commentary", "the answer is a fenced code block")
    if (words := _new_words(_COMMENTARY, original, answered)) is not None:
        raise AnswerRefusedError("commentary", f"the model talks about the text: {_quoted(words)}")


def check_loop(original: str, answered: str) -> None:
    """Check that no phrase is repeated far more often than on the page (`loop`)."""
    phrase, length = _longest_repetition(answered)
    if length > LOOP_SLACK and length > LOOP_SLACK + LOOP_GROWTH * _most_repeated(original, len(phrase)):
        raise AnswerRefusedError("loop", f"a phrase is repeated over {length} characters: {_quoted(phrase)}")


def check_length(original: str, answered: str) -> None:
    """Check that a text keeps about its length (`length`)."""
    before, after = (len("".join(text.split())) for text in (original, answered))
    if not MIN_SHRINK * before - LENGTH_SLACK <= after <= MAX_GROWTH * before + LENGTH_SLACK:
        raise AnswerRefusedError("length", f"a text of {before} characters became one of {after}")


def _new_words(pattern: re.Pattern[str], original: str, answered: str) -> str | None:
    """Return the first words of a kind to which nothing in the original is similar; None if there are none."""
    straight = answered.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    # As it is, for patterns that begin a line; and as one line, because a page may break a line anywhere.
    for text in (straight, _one_line(straight)):
        for match in pattern.finditer(text):
            if not _has_like(original, match.group()):
                return match.group()
    return None


def _has_like(text: str, words: str) -> bool:
    """Return whether a text has similar words anywhere."""
    text, words = _one_line(text).casefold(), _one_line(words).casefold()
    # SequenceMatcher caches what it computes about its second sequence.
    matcher = SequenceMatcher(None, "", words, autojunk=False)
    for start in range(max(1, len(text) - len(words) + 1)):
        matcher.set_seq1(text[start : start + len(words)])
        if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE:
            return True
    return False


def _longest_repetition(text: str) -> tuple[str, int]:
    """Return the phrase that is repeated over the longest stretch of a text, and the length of that stretch."""
    line = _one_line(text).casefold()
    phrase, longest = "", 0
    if not _may_repeat(line):
        return phrase, longest
    for period, starts, runs in _repetitions(line, MIN_REPEATS):
        widest = int(runs.argmax())
        length = int(runs[widest]) + period
        if length >= MIN_REPEATS * period and length > longest:
            start = int(starts[widest])
            phrase, longest = line[start : start + period], length
    return phrase, longest


def _may_repeat(line: str) -> bool:
    """Return whether a text may repeat a phrase over more than LOOP_SLACK characters.

    This costs a fifteenth of the search, which nearly all texts are thereby spared: prose hardly ever has
    characters in a row that stand one phrase earlier as well, at one place after the other.
    """
    last: dict[str, int] = {}
    row = before = 0
    for place in range(len(line) - _IN_A_ROW + 1):
        here = line[place : place + _IN_A_ROW]
        distance = place - last.get(here, place)
        last[here] = place
        row = row + 1 if distance and distance == before else 0
        if row >= _MIN_ROW:
            return True
        before = distance
    return False


def _most_repeated(text: str, phrase_length: int) -> int:
    """Return how many characters of a text repeat a phrase of about a given length.

    Two repetitions in a row are enough here, and all stretches are added up: misread words interrupt a repetition.
    """
    most = 0
    # A misread phrase may be somewhat longer, or be found at every other repetition only.
    longest = 2 * phrase_length + _LONG_RUN
    for period, _, runs in _repetitions(_one_line(text).casefold(), 2, longest):
        repeated = runs[runs >= min(max(period, _SHORTEST_RUN), _LONG_RUN)].sum()
        most = max(most, int(repeated) + period if repeated else 0)
    return most


def _repetitions(
    line: str, least_repeats: int, longest: int = LONGEST_PHRASE
) -> Iterator[tuple[int, "_Places", "_Places"]]:
    """Yield each phrase length, where stretches that repeat a phrase begin, and how many characters they repeat.

    A stretch repeats a phrase of n characters if each character equals the one n places after it.
    """
    import numpy as np  # noqa: PLC0415  # slow to import, and only needed to check an answer

    characters = np.array([ord(character) for character in line], dtype=np.uint32)
    for period in range(1, min(longest, len(line) // least_repeats) + 1):
        different = np.flatnonzero(characters[period:] != characters[:-period])
        bounds = np.concatenate(([-1], different, [len(line) - period]))
        yield period, bounds[:-1] + 1, np.diff(bounds) - 1


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    line = _one_line(text)
    return repr(line if len(line) <= 80 else f"{line[:79]}…")  # noqa: PLR2004  # fits on a line of a log
