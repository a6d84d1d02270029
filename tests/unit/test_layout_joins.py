"""Words divided at line ends and paragraphs that go on, from boxes of lines: 20 pixels high, 26 apart."""

from collections.abc import Sequence

import pytest

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.hyphens import ends_divided, is_divided
from worker.ocr.layout.regions import arrange
from worker.stages.ocr_regions import OcrRegion, numbered

PAGE = (1000, 1400)
LETTER = 10


def column(x: int, top: int, texts: Sequence[str]) -> list[OcrLine]:
    """Lines below each other, whose letters are of one width; one that begins with a blank has an indent."""
    lines = []
    for row, text in enumerate(texts):
        left = x + 30 * text.startswith(" ")
        lines.append(OcrLine(text.strip(), 0.9, Box(left, top + 26 * row, LETTER * len(text.strip()), 20)))
    return lines


def full(*texts: str, width: int = 40) -> list[str]:
    """The texts, each as long as the column: with its last word made longer."""
    return [text + "n" * (width - len(text) - 3 * text.startswith(" ")) for text in texts]


def two_columns(left: Sequence[str], right: Sequence[str]) -> list[OcrRegion]:
    """The regions of a page of two columns: the first ends as `left` does and the second begins as `right` does."""
    before = [*full(*["and it was so"] * 8), " A paragraph that has an indent begi", *full("here and goes on")]
    after = ["it is at an end.", " Another one has an indent as well a", *full("so on"), "the end."]
    return written([*column(60, 200, [*before, *left]), *column(540, 200, [*right, *after])])


def written(lines: Sequence[OcrLine], pictures: Sequence[Picture] = ()) -> list[OcrRegion]:
    return list(numbered(arrange(lines, pictures, PAGE)))


def joined(regions: Sequence[OcrRegion]) -> list[tuple[str, str]]:
    """The ends of paragraphs that go on, and the beginnings of their rests."""
    by_id = {region.id: region.text for region in regions}
    return [
        (region.text.split("\n")[-1], by_id[region.continues_in].split("\n")[0])
        for region in regions
        if region.continues_in
    ]


@pytest.mark.parametrize(
    ("end", "rest"),
    [
        (*full("the captain of the"), "ship was not seen again until it was"),
        ("the captain of the", "ship was not seen again until it was"),
        (*full("he went down to the Hafen und der"), "Kapitän war nicht mehr zu sehen, und"),
        ("he went down to the har-", "bour and was not seen again until it"),
        (
            *full("it was the end of the day and he slept"[:38] + ".", width=39),
            "Tomorrow he would go on and they saw",
        ),
    ],
    ids=["full line", "small letter", "no full stop", "divided word", "full stop at a full line, no indent"],
)
def test_a_paragraph_goes_on_in_the_next_column(end: str, rest: str) -> None:
    assert joined(two_columns([end], [rest])) == [(end, rest)]


@pytest.mark.parametrize(
    ("end", "beginning"),
    [
        (*full("the captain of the"), " The ship was not seen again until i"),
        ("that was its end.", "The ship was not seen again until it"),
        ("that was its end.", " The ship was not seen again until i"),
        ("Chapter the First", "The ship was not seen again until it"),
    ],
    ids=["indent", "short last line", "short last line and indent", "heading"],
)
def test_a_paragraph_that_begins_in_the_next_column_is_not_a_rest(end: str, beginning: str) -> None:
    assert joined(two_columns([end], [beginning])) == []


def test_a_paragraph_goes_on_beyond_a_picture() -> None:
    upper = column(60, 200, full(*["and it was so"] * 5, "the captain of"))
    lower = column(60, 800, ["his own ship", *full(*["and it was so"] * 6)])

    regions = written([*upper, *lower], [Picture(Box(60, 380, 400, 380), 0.6)])

    assert [str(region.type) for region in regions] == ["body", "image", "body"]
    assert [region.continues_in for region in regions] == ["r3", None, None]


def test_paragraphs_with_nothing_between_them_are_not_joined() -> None:
    texts = [*full("and it was so", "and so on"), " another begins here", *full("the end and")]

    assert joined(written(column(60, 200, texts))) == []


@pytest.mark.parametrize(
    ("end", "is_open"),
    [
        (*full("the captain of the"), True),
        ("the captain of the har-", True),
        ("that was its end.", False),
        (*full("said the captain of the ship", width=38)[:1], True),
        ("THE END", False),
    ],
)
def test_the_last_paragraph_may_go_on_on_the_next_page(end: str | list[str], is_open: bool) -> None:
    (page,) = written(column(60, 200, [*full(*["and it was so"] * 5), str(end)]))

    assert page.open_end == is_open


@pytest.mark.parametrize(
    ("beginning", "is_open"),
    [
        ("ship was not seen again until it was", True),
        ("The ship was not seen again until it", True),
        (" The ship", False),
    ],
    ids=["small letter", "no indent where others have one", "indent"],
)
def test_the_first_paragraph_may_be_a_rest_of_the_page_before(beginning: str, is_open: bool) -> None:
    inner = [*full("and so on", "and so on"), " Here another paragraph begins as it", *full("and so on")]

    first, *others = written(column(60, 200, [beginning, *inner, *inner]))

    assert first.open_start == is_open
    assert not any(region.open_start for region in others)


def test_divided_words_are_marked_at_the_end_of_their_lines() -> None:
    texts = [
        "he went down to the har-",
        "bour with twenty-",
        "one men, Vor-",
        "und Nachteile, 1720-",
        "1725 on a ha\u00ad",
        "wk and then to the quar-",
    ]

    (page,) = written(column(60, 200, [*full("and it was so", width=24), *texts]))

    assert [line.text for line in page.lines if line.hyphenated] == [texts[0], texts[1], texts[4], texts[5]]


def test_a_word_that_is_divided_between_columns_is_marked() -> None:
    left, right = "he went down to the har-", "bour and was not seen again until it"

    marked = [line.text for region in two_columns([left], [right]) for line in region.lines if line.hyphenated]

    assert marked == [left]


@pytest.mark.parametrize("line", ["har-", "har\u00ac", "har\u2e17", "har=", "har\u2010", "har\u00ad", "ein Mäd- "])
def test_signs_of_a_divided_word(line: str) -> None:
    assert ends_divided(line)
    assert is_divided(line, "bour")


@pytest.mark.parametrize(
    ("line", "following"), [("har", "bour"), ("12-", "15"), ("he said -", "no"), ("har-", ""), ("har-", "17")]
)
def test_lines_that_do_not_end_with_a_divided_word(line: str, following: str) -> None:
    assert not is_divided(line, following)
