"""Gates: whether what a model answered can be the page at all. A refused answer never becomes an output.

Each gate looks for one way in which models are known to go wrong, and compares with what the model was given: words
that the book itself prints are no fault of the answer. Misread words that were put right are not either, so what is
compared need only be alike. The constants below say how far an answer may go.
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

MOST_GROWTH = 1.5
"""How many times as long as it was a text may become, blanks not counted."""
LEAST_SHRINK = 0.5
"""Which share of a text must be left, likewise."""
LENGTH_SLACK = 16
"""Characters by which any text may grow or shrink beyond that: of a short one they are soon half."""
LEAST_REPEATS = 4
"""How often a phrase must follow on itself to be a loop."""
LOOP_SLACK = 48
"""Characters that a repetition may take whatever the page prints: "ha ha ha", a row of stars."""
LOOP_GROWTH = 2
"""How many times as long as the page's own a repetition may be; misread, a row of dots is several short ones."""
LONGEST_PHRASE = 400
"""Characters of a phrase whose repetition is looked for."""
LONGEST_NOTE = 1000
"""Characters of a reason or any other short text that an answer holds beside the page's."""
ALIKE = 0.7
"""How alike words must be to count as the same, misread; 1 for the same words."""

# Whatever is repeated over more than LOOP_SLACK characters, LEAST_REPEATS times at the least, has at the least 37
# that stand a phrase earlier as well: 26 places from which 12 in a row do.
_IN_A_ROW, _LEAST_ROW = 12, 20
# Characters that are repeated. Double letters are no repetition; part of a long phrase is one: the rest is misread.
_SHORTEST_RUN, _LONG_RUN = 3, 12
_FENCE = "```"
# Two strokes that an engine read may well be three.
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


def insist_on_sense(asked: Mapping[str, str], answered: Sequence[tuple[str, str]]) -> None:
    """Insist that an answer can be the page.

    Args:
        asked: text of each region that was asked about, by its id.
        answered: id and text of each region in the answer.

    Raises:
        AnswerRefusedError: it cannot; says why.
    """
    insist_on_all_regions(asked, [region for region, _ in answered])
    for region, text in answered:
        original = asked[region]
        insist_on_no_text_on_blank(original, text)
        insist_on_no_refusal(original, text)
        insist_on_no_commentary(original, text)
        insist_on_no_loop(original, text)
        insist_on_length(original, text)


def insist_on_sensible_notes(page: str, notes: Collection[str]) -> None:
    """Insist that short texts beside the page's own, as reasons and running heads are, do not run wild.

    Args:
        page: all text of the page.
        notes: what the answer says.

    Raises:
        AnswerRefusedError: kind `loop` or `length`.
    """
    for note in notes:
        insist_on_no_loop(page, note)
        if len(note) > LONGEST_NOTE:
            raise AnswerRefusedError("length", f"a note is {len(note)} characters long, more than {LONGEST_NOTE}")


def insist_on_all_regions(asked: Collection[str], answered: Sequence[str]) -> None:
    """Insist that each region was answered for once, and no other.

    Raises:
        AnswerRefusedError: kind `regions_lost`.
    """
    counts = Counter(answered)
    lost = [region for region in asked if region not in counts]
    strange = [region for region in counts if region not in asked]
    twice = [region for region, count in counts.items() if count > 1]
    wrong = {"left out": lost, "never asked about": strange, "answered twice": twice}
    said = "; ".join(f"{what}: {', '.join(regions[:5])}" for what, regions in wrong.items() if regions)
    if said:
        raise AnswerRefusedError("regions_lost", f"regions {said}")


def insist_on_no_text_on_blank(original: str, answered: str) -> None:
    """Insist that nothing was made up where nothing is printed.

    Raises:
        AnswerRefusedError: kind `text_on_blank`.
    """
    if answered.strip() and not original.strip():
        raise AnswerRefusedError("text_on_blank", f"the region is empty, and the answer has {_quoted(answered)}")


def insist_on_no_refusal(original: str, answered: str) -> None:
    """Insist that the model does not decline, in words that the page does not have.

    Raises:
        AnswerRefusedError: kind `refusal`.
    """
    if (words := _new_words(_REFUSAL, original, answered)) is not None:
        raise AnswerRefusedError("refusal", f"the model declines: {_quoted(words)}")


def insist_on_no_commentary(original: str, answered: str) -> None:
    """Insist that the model says nothing of its own beside the text.

    Raises:
        AnswerRefusedError: kind `commentary`.
    """
    if _FENCE in answered and _ALMOST_FENCE not in original:
        raise AnswerRefusedError("commentary", "the answer is fenced as code")
    if (words := _new_words(_COMMENTARY, original, answered)) is not None:
        raise AnswerRefusedError("commentary", f"the model talks about the text: {_quoted(words)}")


def insist_on_no_loop(original: str, answered: str) -> None:
    """Insist that no phrase is repeated over and over, far beyond what the page has.

    Raises:
        AnswerRefusedError: kind `loop`.
    """
    phrase, length = _longest_repetition(answered)
    if length > LOOP_SLACK and length > LOOP_SLACK + LOOP_GROWTH * _most_repeated(original, len(phrase)):
        raise AnswerRefusedError("loop", f"repeated over {length} characters: {_quoted(phrase)}")


def insist_on_length(original: str, answered: str) -> None:
    """Insist that a text stays about as long as it was.

    Raises:
        AnswerRefusedError: kind `length`.
    """
    before, after = (len("".join(text.split())) for text in (original, answered))
    if not LEAST_SHRINK * before - LENGTH_SLACK <= after <= MOST_GROWTH * before + LENGTH_SLACK:
        raise AnswerRefusedError("length", f"a text of {before} characters became one of {after}")


def _new_words(pattern: re.Pattern[str], original: str, answered: str) -> str | None:
    """The first words of a kind that the original has nothing like."""
    straight = answered.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    # Matched as it is, for the beginnings of lines; and as one line, because a page may break it anywhere.
    for text in (straight, _one_line(straight)):
        for match in pattern.finditer(text):
            if not _has_like(original, match.group()):
                return match.group()
    return None


def _has_like(text: str, words: str) -> bool:
    """Whether a text has words like these anywhere."""
    text, words = _one_line(text).casefold(), _one_line(words).casefold()
    # It keeps what it computes about its second sequence.
    matcher = SequenceMatcher(None, "", words, autojunk=False)
    for start in range(max(1, len(text) - len(words) + 1)):
        matcher.set_seq1(text[start : start + len(words)])
        if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE:
            return True
    return False


def _longest_repetition(text: str) -> tuple[str, int]:
    """The phrase that is repeated over the longest stretch of a text, and how long that is, in characters."""
    line = _one_line(text).casefold()
    phrase, longest = "", 0
    if not _may_repeat(line):
        return phrase, longest
    for period, starts, runs in _repetitions(line, LEAST_REPEATS):
        widest = int(runs.argmax())
        length = int(runs[widest]) + period
        if length >= LEAST_REPEATS * period and length > longest:
            start = int(starts[widest])
            phrase, longest = line[start : start + period], length
    return phrase, longest


def _may_repeat(line: str) -> bool:
    """Whether a text may repeat a phrase over more than LOOP_SLACK characters; said at a fifteenth of the cost.

    In such a stretch some characters in a row are where they were a phrase ago, and again so at the next place.
    Prose hardly ever has that, and nearly all texts are prose.
    """
    last: dict[str, int] = {}
    row = before = 0
    for place in range(len(line) - _IN_A_ROW + 1):
        here = line[place : place + _IN_A_ROW]
        distance = place - last.get(here, place)
        last[here] = place
        row = row + 1 if distance and distance == before else 0
        if row >= _LEAST_ROW:
            return True
        before = distance
    return False


def _most_repeated(text: str, phrase_length: int) -> int:
    """How many characters of a text repeat a phrase of about one length, on all stretches together.

    Two in a row are enough here, and the stretches are added up: between misread words a repetition falls apart.
    """
    most = 0
    # Misread or set otherwise, a phrase may be somewhat longer, or recur at every other time only.
    longest = 2 * phrase_length + _LONG_RUN
    for period, _, runs in _repetitions(_one_line(text).casefold(), 2, longest):
        repeated = runs[runs >= min(max(period, _SHORTEST_RUN), _LONG_RUN)].sum()
        most = max(most, int(repeated) + period if repeated else 0)
    return most


def _repetitions(
    line: str, least_repeats: int, longest: int = LONGEST_PHRASE
) -> Iterator[tuple[int, "_Places", "_Places"]]:
    """For each length of a phrase, where stretches begin that repeat one, and how far it is repeated beyond once.

    A stretch repeats a phrase of n characters where each character is the one n places after it.
    """
    import numpy as np  # noqa: PLC0415  # only who has an answer to look at waits for it

    characters = np.array([ord(character) for character in line], dtype=np.uint32)
    for period in range(1, min(longest, len(line) // least_repeats) + 1):
        different = np.flatnonzero(characters[period:] != characters[:-period])
        bounds = np.concatenate(([-1], different, [len(line) - period]))
        yield period, bounds[:-1] + 1, np.diff(bounds) - 1


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    line = _one_line(text)
    return repr(line if len(line) <= 80 else f"{line[:79]}…")  # noqa: PLR2004  # what a line of a log has room for
