"""Chapters, front matter and printed numbers from the pages of a book."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.model_inputs import LLM
from worker.stages.chapters import BookStructure, assemble
from worker.stages.structured_page import Block, BlockType, Heading, StructuredPage, StructuredRegion

Part = tuple[str, str, int]
"""Type of a block, its words, and their level where they are a heading; else 0."""
TEXT: Part = ("body", "and so on", 0)


def page(number: int, *parts: Part, printed: str | None = None) -> StructuredPage:
    return StructuredPage(
        page_number=number,
        printed_page_number=printed,
        running_head=None,
        running_foot=None,
        headings=tuple(
            Heading(region=f"r{order}", text=words, level=level)
            for order, (_, words, level) in enumerate(parts, start=1)
            if level
        ),
        blocks=tuple(
            Block(region=f"r{order}", type=BlockType(kind)) for order, (kind, *_) in enumerate(parts, start=1)
        ),
        regions=tuple(
            StructuredRegion(id=f"r{order}", text=words) for order, (_, words, _) in enumerate(parts, start=1)
        ),
        skipped=False,
        llm=LLM,
    )


def heading(words: str, level: int = 1) -> Part:
    return ("heading", words, level)


def chapters_of(*pages: StructuredPage) -> list[tuple[str, int, int, int]]:
    return [(each.title, each.level, each.start_page, each.end_page) for each in assemble(pages).chapters]


def titles_of(*parts: Part) -> list[str]:
    return [title for title, *_ in chapters_of(page(1, *parts))]


def test_a_book_is_put_together() -> None:
    book = assemble(
        [
            page(1, ("title", "Alice's Adventures", 1)),
            page(2),
            page(3, heading("CHAPTER I"), heading("Down the Rabbit-Hole", 2), TEXT, printed="1"),
            page(4, ("header", "DOWN THE RABBIT-HOLE", 0), TEXT, printed="2"),
            page(5, heading("CHAPTER II."), heading("The Pool of Tears", 2), TEXT, printed="3"),
            page(6, TEXT),
        ]
    )

    assert book.model_dump(mode="json") == {
        "total_pages": 6,
        "chapters": [
            {
                "title": "CHAPTER I. Down the Rabbit-Hole",
                "level": 1,
                "start_page": 3,
                "end_page": 4,
                "printed_start": "1",
                "printed_end": "2",
            },
            {
                "title": "CHAPTER II. The Pool of Tears",
                "level": 1,
                "start_page": 5,
                "end_page": 6,
                "printed_start": "3",
                "printed_end": None,
            },
        ],
        "front_matter": [1, 2],
        "printed_numbers": {"1": None, "2": None, "3": "1", "4": "2", "5": "3", "6": None},
    }


def test_a_chapter_that_begins_below_the_end_of_another_shares_its_page() -> None:
    assert chapters_of(page(1, heading("One"), TEXT), page(2, TEXT, heading("Two"), TEXT), page(3, TEXT)) == [
        ("One", 1, 1, 2),
        ("Two", 1, 2, 3),
    ]


def test_chapters_are_nested_in_parts() -> None:
    assert chapters_of(
        page(1, heading("PART ONE")),
        page(2, heading("CHAPTER I", 2), TEXT),
        page(3, heading("CHAPTER II", 2), TEXT),
        page(4, heading("PART TWO")),
        page(5, heading("CHAPTER I", 2), TEXT),
    ) == [
        ("PART ONE", 1, 1, 3),
        ("CHAPTER I", 2, 2, 2),
        ("CHAPTER II", 2, 3, 3),
        ("PART TWO", 1, 4, 5),
        ("CHAPTER I", 2, 5, 5),
    ]


@pytest.mark.parametrize(
    ("parts", "titles"),
    [
        ([heading("CHAPTER I."), heading("Loomings")], ["CHAPTER I. Loomings"]),
        ([heading("XIV"), heading("Nantucket", 3)], ["XIV. Nantucket"]),
        ([heading("Kapitel 3"), ("image", "", 0), heading("Der Wal", 2)], ["Kapitel 3. Der Wal"]),
        ([heading("Chapter Twenty-One"), heading("Going Aboard", 2)], ["Chapter Twenty-One. Going Aboard"]),
        ([heading("CHAPTER I"), TEXT, heading("Loomings")], ["CHAPTER I", "Loomings"]),
        ([heading("PART ONE"), heading("CHAPTER I"), heading("Loomings", 2)], ["PART ONE", "CHAPTER I. Loomings"]),
        ([heading("CHAPTER I. Loomings"), heading("The Inn", 2)], ["CHAPTER I. Loomings", "The Inn"]),
        ([heading("Loomings"), heading("CHAPTER I", 2)], ["Loomings", "CHAPTER I"]),
    ],
)
def test_a_label_is_joined_by_the_title_that_follows_it(parts: Sequence[Part], titles: list[str]) -> None:
    assert titles_of(*parts) == titles


@pytest.mark.parametrize(
    "kind", ["header", "footer", "page_number", "title", "table", "list", "caption", "footnote"]
)
def test_headings_in_margins_titles_and_tables_open_no_chapter(kind: str) -> None:
    assert titles_of((kind, "CHAPTER I", 1)) == []


def test_lesser_headings_open_no_chapter() -> None:
    assert titles_of(heading("Of whales", 3)) == []


@pytest.mark.parametrize("words", ["CHAPTER I", "Loomings", "LOOMINGS", "Chapter I. Loomings"])
def test_words_of_the_chapter_itself_are_a_running_head(words: str) -> None:
    first = page(1, heading("CHAPTER I"), heading("Loomings"), TEXT)

    assert chapters_of(first, page(2, heading(words), TEXT)) == [("CHAPTER I. Loomings", 1, 1, 2)]


@pytest.mark.parametrize("pages", [[], [page(1, TEXT, printed="i"), page(2)]])
def test_a_book_without_chapters_has_no_front_matter(pages: list[StructuredPage]) -> None:
    book = assemble(pages)

    assert (book.chapters, book.front_matter, book.total_pages) == ((), (), len(pages))


PARTS = st.tuples(
    st.sampled_from([*BlockType]),
    st.sampled_from(["CHAPTER I", "II", "The Inn", "Nantucket", "*"]),
    st.integers(0, 6),
)


@given(st.lists(st.lists(PARTS, max_size=5), max_size=6))
def test_chapters_lie_within_the_book_in_order_and_the_same_pages_give_the_same_book(
    book: list[list[Part]],
) -> None:
    pages = [page(number, *parts) for number, parts in enumerate(book, start=1)]

    made = assemble(pages)

    starts = [chapter.start_page for chapter in made.chapters]
    assert starts == sorted(starts)
    assert all(1 <= each.start_page <= each.end_page <= len(pages) for each in made.chapters)
    assert made.front_matter == tuple(range(1, starts[0] if starts else 1))
    assert assemble(iter(pages)).model_dump_json() == made.model_dump_json()
    assert BookStructure.model_validate_json(made.model_dump_json()) == made
