"""Laying a text as it was read over the passage that it comes from: which words stand for which.

What cannot be told is left as it was read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_MIN_AGREEMENT = 0.3
"""Share of its words that a text and a passage have in common, or else it comes from somewhere else."""
_ALIKE = 0.5
_ALIKE_AT_AN_END = 0.6
"""Likeness of what was read and what is printed; where only one side is held in place, more is asked for."""
_SHORT = 3
"""Characters of readings, such as `l` for `I`, that may have nothing in common with what is printed, if both sides
are held in place."""
_MAX_LOST = 3
"""Words in a row that a reader may have lost; more were never on the page."""
_FIRM = 2
"""Words in a row that agree, so that what is missing between two such runs was lost and not printed elsewhere."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words of the text from `start` to before `end`, and the `truth` that is printed in their place."""

    start: int
    end: int
    truth: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of `difflib` from text to passage, with the runs of words that agree before and after it."""

    tag: str
    read: slice
    printed: slice
    agree_before: int
    agree_after: int


def align(words: Sequence[str], passage: Sequence[str]) -> list[Stretch]:
    """Cover all words of a text by stretches, in order."""
    matcher = SequenceMatcher(None, words, passage, autojunk=False)
    agreeing = sum(block.size for block in matcher.get_matching_blocks())
    if agreeing < _MIN_AGREEMENT * len(words):
        return [Stretch(0, len(words), tuple(words))]
    stretches: list[Stretch] = []
    for step in _steps(matcher):
        if step.tag == "insert":
            _give_back(stretches, step, passage)
        elif step.tag == "replace":
            stretches.extend(_replaced(words, passage, step))
        else:
            read = tuple(words[step.read])
            noise = step.tag == "delete" and _is_noise(read)
            stretches.append(Stretch(step.read.start, step.read.stop, () if noise else read))
    return stretches


def likeness(left: str, right: str) -> float:
    """From 0 for nothing in common to 1 for equal."""
    return SequenceMatcher(None, left, right, autojunk=False).ratio()


def _steps(matcher: SequenceMatcher[str]) -> Iterator[_Step]:
    codes = matcher.get_opcodes()
    agreeing = [0, *(stop - start if tag == "equal" else 0 for tag, start, stop, _, _ in codes), 0]
    for index, (tag, start, stop, printed_start, printed_stop) in enumerate(codes):
        yield _Step(
            tag, slice(start, stop), slice(printed_start, printed_stop), agreeing[index], agreeing[index + 2]
        )


def _give_back(stretches: list[Stretch], step: _Step, passage: Sequence[str]) -> None:
    """Put lost words behind the word before them."""
    lost = tuple(passage[step.printed])
    if len(lost) > _MAX_LOST or min(step.agree_before, step.agree_after) < _FIRM:
        return
    before = stretches.pop()
    last = before.end - 1
    stretches.append(Stretch(before.start, last, before.truth[:-1]))
    stretches.append(Stretch(last, before.end, (before.truth[-1], *lost)))


def _replaced(words: Sequence[str], passage: Sequence[str], step: _Step) -> list[Stretch]:
    read, printed = tuple(words[step.read]), tuple(passage[step.printed])
    start, end = step.read.start, step.read.stop
    at_an_end = not (step.agree_before and step.agree_after)
    if at_an_end and _is_noise(read):
        return [Stretch(start, end, ())]
    if not step.agree_before:
        printed = _best(read, [printed[-size:] for size in _sizes(read, printed)])
    elif not step.agree_after:
        printed = _best(read, [printed[:size] for size in _sizes(read, printed)])
    pairs = zip(read, printed, strict=False)
    if len(read) == len(printed) and all(_stands_for(*pair, at_an_end=at_an_end) for pair in pairs):
        return [Stretch(start + index, start + index + 1, (word,)) for index, word in enumerate(printed)]
    alike = _stands_for(" ".join(read), " ".join(printed), at_an_end=at_an_end)
    return [Stretch(start, end, printed if alike else read)]


def _sizes(read: Sequence[str], printed: Sequence[str]) -> range:
    """How many words the passage may have for those read, where it goes on past the text."""
    return range(max(1, min(len(read) - 2, len(printed))), min(len(read) + 2, len(printed)) + 1)


def _best(read: Sequence[str], candidates: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return max(candidates, key=lambda candidate: likeness(" ".join(read), " ".join(candidate)))


def _is_noise(read: Sequence[str]) -> bool:
    return not any(map(str.isalnum, "".join(read)))


def _stands_for(read: str, printed: str, *, at_an_end: bool) -> bool:
    if at_an_end:
        return likeness(read, printed) >= _ALIKE_AT_AN_END
    return max(len(read), len(printed)) <= _SHORT or likeness(read, printed) >= _ALIKE
