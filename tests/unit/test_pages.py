"""Page lists as people write them, and as they are shown."""

import pytest

from checkpointing.errors import CommandLineError
from producer.page_ranges import parse_pages, show_pages


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("3", {3}),
        ("3,7-9", {3, 7, 8, 9}),
        (" 3 , 7-8 ", {3, 7, 8}),
        ("5-5,5", {5}),
        ("123456", {123_456}),
    ],
)
def test_a_list_of_pages_is_understood(text: str, pages: set[int]) -> None:
    assert parse_pages(text) == pages


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "3,", "a", "0", "0-3", "-3", "3-", "9-7", "1-2-3", "3;4", "1.5", "03", "1234567", "٣", "3\n4"],
)
def test_what_is_no_list_of_pages_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(CommandLineError, match="is not a list of pages; write it like 3,7-9") as caught:
        parse_pages(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pages", "shown"),
    [
        ([], ""),
        ([4], "4"),
        ([1, 2, 3], "1-3"),
        ([1, 3, 4, 9], "1, 3-4, 9"),
        ([1, 3, 5, 7, 8, 9], "1, 3, 5 and 3 more"),
    ],
)
def test_pages_are_shown_in_short(pages: list[int], shown: str) -> None:
    assert show_pages(pages, most=3) == shown


def test_what_is_shown_is_understood() -> None:
    pages = [1, 2, 3, 7, 10, 11]
    assert parse_pages(show_pages(pages)) == set(pages)
