import random
import re

import pytest

from sample.book import PageKind, SamplePage, pages, small_page
from sample.provider.corrections import EditKind, correct, restore
from sample.provider.request import AskedPage, AskedRegion
from sample.provider.structure import outline
from tests.support.character_errors import character_error_rate

MISREAD = {"m": "rn", "h": "b", "e": "c", "l": "1", "I": "l", "o": "0", "w": "vv", "d": "cl", "i": "j"}
PROSE = [page for page in pages() if page.kind in {PageKind.TEXT, PageKind.CHAPTER}]


def misread(text: str, share: float, seed: int) -> str:
    """As a poor reader would have it: letters for others, words run together or broken apart."""
    chance = random.Random(seed)

    def read(letter: str) -> str:
        drawn = chance.random()
        if letter == " " and drawn < share / 2:
            return ""
        if letter.isalpha() and drawn > 1 - share / 5:
            return f"{letter} "
        return MISREAD.get(letter, letter) if drawn < share else letter

    return "".join(map(read, text))


def asked(page: int, *regions: tuple[str, str]) -> AskedPage:
    """A page of regions, each a type and a text, that are called r1, r2 and so on."""
    return AskedPage(
        page=page,
        regions=tuple(
            AskedRegion(id=f"r{order}", type=kind, text=text) for order, (kind, text) in enumerate(regions, start=1)
        ),
    )


@pytest.mark.parametrize("page", PROSE, ids=lambda page: f"page {page.number}")
def test_a_page_read_with_errors_is_restored_as_printed(page: SamplePage) -> None:
    printed = "\n".join(page.body)
    read = misread(printed, share=0.02, seed=7)
    restored, edits = restore(read)
    assert character_error_rate(printed, read) > 0.005
    assert character_error_rate(printed, restored) < 0.0005
    assert restored.count("\n") == printed.count("\n")
    assert edits


def test_a_page_read_very_badly_has_most_of_its_errors_taken_out() -> None:
    for page in PROSE:
        printed = "\n".join(page.body)
        read = misread(printed, share=0.08, seed=3)
        assert character_error_rate(printed, restore(read)[0]) < character_error_rate(printed, read) / 10


def test_every_edit_is_found_in_the_text_that_was_sent_and_in_the_one_returned() -> None:
    for page in PROSE:
        read = misread("\n".join(page.body), share=0.05, seed=11)
        restored, edits = restore(read)
        for edit in edits:
            assert edit.original in read
            assert edit.corrected in restored
            assert edit.original != edit.corrected
            assert 0.5 <= edit.confidence < 1


def test_what_is_right_already_stays_as_it_is() -> None:
    for page in (*pages(40), *(small_page(number) for number in range(1, 100))):
        assert restore(page.text) == (page.text, ())


@pytest.mark.parametrize(
    "text", ["", "\n", "17", "Call me Ishmael. Some years ago, never mind how long precisely.", "naïve café 漢字"]
)
def test_a_text_from_elsewhere_is_returned_as_it_is(text: str) -> None:
    assert restore(text) == (text, ())


@pytest.mark.parametrize(
    ("read", "printed", "kind"),
    [
        ("falling down a very deep we11.", "falling down a very deep well.", EditKind.CHARACTER_SUBSTITUTION),
        ("falling down avery deep well.", "falling down a very deep well.", EditKind.SPACING),
        ("the trouble of getting u p and picking", "the trouble of getting up and picking", EditKind.SPACING),
        ("pleasure of making a daisychain would", "pleasure of making a daisy-chain would", EditKind.HYPHENATION),
        ("hot day made her | feel very sleepy", "hot day made her feel very sleepy", EditKind.ARTIFACT),
        ("hot day made her feel\n| very sleepy", "hot day made her feel\nvery sleepy", EditKind.ARTIFACT),
        ("| hot day made her feel", "hot day made her feel", EditKind.ARTIFACT),
        ("she had plenty of tme as she went down", "she had plenty of time as she went down", EditKind.TYPO),
        ("she had plenty time as she went down", "she had plenty of time as she went down", EditKind.TYPO),
    ],
)
def test_an_edit_says_what_was_wrong(read: str, printed: str, kind: EditKind) -> None:
    restored, edits = restore(read)
    assert restored == printed
    assert [edit.kind for edit in edits] == [kind]


def test_a_correction_answers_for_each_region_in_order_whatever_it_holds() -> None:
    page = asked(5, ("header", "D0WN THE RABBIT-HOLE"), ("image", ""), ("footer", "5"))
    answer = correct(page)
    assert [(region.id, region.text) for region in answer.regions] == [
        ("r1", "DOWN THE RABBIT-HOLE"),
        ("r2", ""),
        ("r3", "5"),
    ]


def test_one_page_in_seven_is_to_be_reviewed_and_says_why() -> None:
    answers = {number: correct(asked(number)) for number in range(1, 71)}
    doubtful = [number for number, answer in answers.items() if answer.needs_review]
    assert len(doubtful) == 10
    assert all(bool(answer.reasons) == answer.needs_review for answer in answers.values())


def test_a_structure_names_what_each_region_is() -> None:
    answer = outline(
        asked(
            4,
            ("header", "ALICE'S ADVENTURES IN WONDERLAND"),
            ("body", "CHAPTER I\nDown the Rabbit-Hole"),
            ("body", "Alice was beginning to get very tired"),
            ("image", ""),
            ("caption", "Down the well, past cupboards and book-shelves"),
            ("footer", "4"),
        )
    )
    kinds = [(block.region, block.type.value) for block in answer.blocks]
    assert kinds == [
        ("r1", "header"),
        ("r2", "heading"),
        ("r3", "body"),
        ("r4", "image"),
        ("r5", "caption"),
        ("r6", "page_number"),
    ]
    assert [(heading.region, heading.text, heading.level) for heading in answer.headings] == [
        ("r2", "CHAPTER I", 1),
        ("r2", "Down the Rabbit-Hole", 2),
    ]
    assert (answer.printed_page_number, answer.running_head, answer.running_foot) == (
        "4",
        "ALICE'S ADVENTURES IN WONDERLAND",
        None,
    )


def test_the_title_page_has_a_title() -> None:
    answer = outline(asked(1, ("body", "Alice's\nAdventures\nin Wonderland"), ("body", "BY")))
    assert [block.type.value for block in answer.blocks] == ["title", "body"]
    assert [(heading.text, heading.level) for heading in answer.headings] == [
        ("Alice's Adventures in Wonderland", 1)
    ]


def test_a_page_without_regions_has_an_empty_structure() -> None:
    answer = outline(asked(2))
    assert (answer.blocks, answer.headings, answer.printed_page_number) == ((), (), None)


def test_a_loop_repeats_the_last_words_of_a_text() -> None:
    looping = correct(asked(3, ("image", ""), ("body", "falling down a very deep well."))).looping(200)
    assert len(re.findall("down a very deep well", looping.regions[1].text)) == 201
    assert correct(asked(2)).looping(200).reasons[0].count("and so on") == 200
