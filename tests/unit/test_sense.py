"""The gates: what models get wrong is refused, and what books print is let through."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.errors import AnswerRefusedError
from worker.stages import answer_checks as sense
from worker.stages.answer_checks import (
    LOOP_SLACK,
    MIN_REPEATS,
    check_answer,
    check_commentary,
    check_length,
    check_loop,
    check_notes,
    check_refusal,
)

PROSE = (
    "Alice was beginning to get very tired of sitting by her sister on\nthe bank, and of having nothing to do: "
    "once or twice she had\npeeped into the book her sister was reading, but it had no\n"
    "pictures or conversations in it."
)
VERSE = "Will you, won't you, will you, won't you,\nwill you join the dance?\n" * 6
DOTS = "The Pool of Tears" + " ." * 60 + " 15"
LAUGHTER = "ha " * 40
DIALOGUE = "I'm sorry, I can't help with that,\nsaid the Gryphon; here is the corrected text, as I have kept it."
TEXTS = (PROSE, VERSE, DOTS, LAUGHTER, DIALOGUE, "", "I", "```", "[sic]", "* * * * * * * *")

pages = st.dictionaries(
    st.sampled_from(["r1", "r2", "r3"]), st.one_of(st.sampled_from(TEXTS), st.text(max_size=300)), max_size=3
)


def refusal_of(original: str, answered: str) -> str:
    with pytest.raises(AnswerRefusedError) as refused:
        check_answer({"r1": original}, [("r1", answered)])
    return refused.value.kind


@given(pages)
def test_an_answer_that_changes_nothing_always_passes(page: dict[str, str]) -> None:
    check_answer(page, list(page.items()))


@given(st.sampled_from([PROSE, VERSE, DOTS, LAUGHTER, DIALOGUE]), st.data())
def test_an_answer_with_a_few_small_edits_passes(text: str, data: st.DataObject) -> None:
    misread = list(text)
    places = st.lists(st.integers(0, len(text) - 1), max_size=6, unique_by=lambda place: place // 15)
    for place in data.draw(places):
        misread[place] = data.draw(st.sampled_from(["", "l", "1", ",", " ", "rn"]))

    check_answer({"r1": "".join(misread)}, [("r1", text)])
    check_answer({"r1": text}, [("r1", "".join(misread))])


@given(st.text(max_size=200), st.text(max_size=400))
def test_a_gate_raises_nothing_but_its_refusal(original: str, answered: str) -> None:
    with suppress(AnswerRefusedError):
        check_answer({"r1": original}, [("r1", answered)])


@pytest.mark.parametrize(
    ("answered", "complaint"),
    [
        ([("r1", "one")], "missing: r2"),
        ([("r1", "one"), ("r2", "two"), ("r3", "three")], "unknown: r3"),
        ([("r1", "one"), ("r1", "one"), ("r2", "two")], "answered twice: r1"),
        ([], "missing: r1, r2"),
    ],
)
def test_each_region_is_to_be_answered_for_once(answered: list[tuple[str, str]], complaint: str) -> None:
    with pytest.raises(AnswerRefusedError, match=complaint) as refused:
        check_answer({"r1": "one", "r2": "two"}, answered)
    assert refused.value.kind == "regions_lost"


def test_regions_may_be_answered_in_any_order() -> None:
    check_answer({"r1": "one", "r2": "two"}, [("r2", "two"), ("r1", "one")])


@pytest.mark.parametrize("phrase", [" conversations in it.", " and so on", ".", " ha", "\nthe bank"])
@pytest.mark.parametrize("times", [60, 300])
def test_a_phrase_that_goes_on_and_on_is_a_loop(phrase: str, times: int) -> None:
    assert refusal_of(PROSE, PROSE + phrase * times) == "loop"


def test_a_loop_that_takes_the_place_of_the_text_is_one_although_the_length_is_right() -> None:
    looped = PROSE[:60] + " to get very tired" * 8
    check_length(PROSE, looped)

    assert refusal_of(PROSE, looped) == "loop"


@pytest.mark.parametrize(
    ("original", "answered"),
    [
        ("The Pool. . .;. . . , . . . : . . . . 15", "The Pool . . . . . . . . . . . . . . . . 15"),
        ("ha ba ha hn ha ha", "ha ha ha ha ha ha"),
        (VERSE.replace("won't", "wont", 5), VERSE),
    ],
)
def test_what_the_page_repeats_is_no_loop_though_it_was_misread(original: str, answered: str) -> None:
    check_loop(original, answered)


@pytest.mark.parametrize(
    "answered",
    [
        "I'm sorry, but I can't help with that.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, I cannot read this image.",
        "As an AI language model, I do not see pages.",
        "I am unable to transcribe this page.",
    ],
)
def test_a_model_that_declines_is_noticed(answered: str) -> None:
    assert refusal_of(PROSE, answered) == "refusal"


def test_a_book_may_decline_even_where_it_was_misread() -> None:
    check_refusal("l'm sorry, l can't he1p you, said the Cat", "I'm sorry, I can't help you, said the Cat")


@pytest.mark.parametrize(
    "answered",
    [
        f"Here is the corrected text:\n{PROSE}",
        f"```\n{PROSE}\n```",
        f"{PROSE}\nNote: The original text was hard to read.",
        f"{PROSE}\n\nLet me know if there is more to do.",
        f"{PROSE}\n(No corrections were needed.)",
        f"<think>a page</think>{PROSE}",
        PROSE.replace("pictures", "[illegible]"),
    ],
)
def test_words_of_the_models_own_are_noticed(answered: str) -> None:
    assert refusal_of(PROSE, answered) == "commentary"


def test_a_note_that_the_book_prints_is_none_of_the_models() -> None:
    check_commentary("Nole: the text is\nthat of 1865.", "Note: the text is\nthat of 1865.")


@pytest.mark.parametrize("original", ["", " \n"])
def test_text_where_nothing_is_printed_is_made_up(original: str) -> None:
    assert refusal_of(original, "Once upon a time") == "text_on_blank"


@pytest.mark.parametrize("answered", [PROSE[:80], "", PROSE + " " + PROSE.upper()])
def test_a_text_does_not_become_much_longer_or_shorter(answered: str) -> None:
    assert refusal_of(PROSE, answered) == "length"


def test_a_speck_that_was_read_as_letters_may_be_taken_out() -> None:
    check_answer({"r1": "~ ' .;"}, [("r1", "")])


@pytest.mark.parametrize(("note", "kind"), [("and so on " * 50, "loop"), ("".join(map(str, range(500))), "length")])
def test_notes_do_not_run_wild(note: str, kind: str) -> None:
    with pytest.raises(AnswerRefusedError) as refused:
        check_notes(PROSE, [note])
    assert refused.value.kind == kind


@given(
    phrase=st.text("abcdefgh .,'", min_size=1, max_size=60),
    extra=st.integers(0, 30),
    before=st.text("xyz ", max_size=80),
    after=st.text("xyz ", max_size=80),
)
def test_the_quick_look_misses_no_repetition(phrase: str, extra: int, before: str, after: str) -> None:
    times = max(MIN_REPEATS, LOOP_SLACK // len(phrase) + 2)
    line = " ".join(f"{before}|{phrase * times}{(phrase * 31)[:extra]}|{after}".split()).casefold()
    if any(len(line) > period and _repeats(line, period) for period in range(1, 61)):
        assert sense._may_repeat(line)


def _repeats(line: str, period: int) -> bool:
    """Whether a phrase of that length is repeated often enough, over more than a loop may take."""
    same = "".join("=" if one == other else "|" for one, other in zip(line[period:], line, strict=False))
    longest = max(map(len, same.split("|"))) + period
    return longest >= MIN_REPEATS * period and longest > LOOP_SLACK
