import subprocess
import sys
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from checkpointing.errors import SettingsError
from sample import PageKind, pages, small_page, typesetting, write_image_folder, write_pdf
from sample.render import render
from sample.text import CHAPTERS


def test_the_book_opens_with_title_blank_and_chapter_and_has_one_plate() -> None:
    kinds = [page.kind for page in pages()]
    assert kinds[:3] == [PageKind.TITLE, PageKind.BLANK, PageKind.CHAPTER]
    assert kinds.count(PageKind.PICTURE) == 1
    assert kinds.count(PageKind.CHAPTER) == len(CHAPTERS)
    assert [page.number for page in pages()] == list(range(1, 15))


def test_a_page_says_what_is_printed_on_it_in_reading_order() -> None:
    title, blank, opening, verso, recto, plate, *_ = pages()
    assert title.text.splitlines()[:3] == ["Alice's", "Adventures", "in Wonderland"]
    assert blank.text == ""
    assert opening.text.splitlines()[:2] == ["CHAPTER I", "Down the Rabbit-Hole"]
    assert opening.text.splitlines()[-1] == "3"
    assert verso.text.splitlines()[0] == "ALICE'S ADVENTURES IN WONDERLAND"
    assert recto.text.splitlines()[0] == "DOWN THE RABBIT-HOLE"
    assert recto.text.splitlines()[-1] == "5"
    assert plate.text == "Down the well, past cupboards and book-shelves"


def test_the_pages_carry_the_whole_prose_and_nothing_else() -> None:
    printed = " ".join(line for page in pages() if page.chapter_title for line in page.body)
    prose = " ".join(f"{c.label} {c.title} {' '.join(c.paragraphs)}" for c in CHAPTERS)
    assert printed == prose
    assert printed.isascii()


def test_every_line_fits_its_measure_and_every_page_its_depth() -> None:
    for page in (*pages(), *(small_page(number) for number in range(1, 400))):
        page_format = page.page_format
        depth = sum(line.space_above + round(line.scale * page_format.leading) for line in page.lines)
        assert depth <= page_format.depth, page.number
        for line in page.lines:
            font = typesetting.typeface(round(line.scale * page_format.type_size))
            assert line.indent + font.getlength(line.text) <= page_format.measure, line.text


def test_past_its_end_the_book_repeats_its_text_pages_under_new_numbers() -> None:
    book = pages(40)
    assert len(book) == 40
    assert book[:14] == pages()
    assert {page.kind for page in book[14:]} == {PageKind.TEXT}
    assert book[14].body == pages()[3].body
    assert book[14].header == "DOWN THE RABBIT-HOLE"
    assert book[14].footer == "15"


def test_a_page_looks_the_same_each_time_and_unlike_its_repetition() -> None:
    first, again = render(small_page(1)), render(small_page(1))
    assert first.tobytes() == again.tobytes()
    original, repetition = (render(page) for page in (pages()[3], pages(15)[14]))
    assert original.size == repetition.size
    assert original.tobytes() != repetition.tobytes()


def test_a_blank_page_has_no_ink_and_a_picture_page_much() -> None:
    blank, plate = pages()[1], pages()[5]
    assert ink_share(render(blank)) == 0
    assert ink_share(render(plate)) > 0.02


def ink_share(image: Image.Image) -> float:
    return float(np.mean(np.asarray(image.convert("L")) < 100))


def test_two_builds_of_the_pdf_are_the_same_bytes_whatever_their_names(tmp_path: Path) -> None:
    first = write_pdf(tmp_path / "first.pdf", pages(2))
    second = write_pdf(tmp_path / "second.pdf", pages(2))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.pdf", "second.pdf"]


def test_the_pdf_has_the_pages_asked_for_at_their_size(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "slips.pdf", [small_page(number) for number in range(1, 6)])
    with pypdfium2.PdfDocument(path) as document:
        assert len(document) == 5
        assert document.get_page_size(0) == pytest.approx((96, 96))
        assert document.get_metadata_value("Title") == "Alice's Adventures in Wonderland"


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one page"):
        write_pdf(tmp_path / "empty.pdf", [])
    assert not any(tmp_path.iterdir())


def test_small_pages_are_small_and_all_different() -> None:
    assert render(small_page(3)).size == (400, 400)
    assert small_page(1).body == ("This is page 1.", "Alice was beginning to", "get very tired of sitting")
    assert len({small_page(number).text for number in range(1, 1001)}) == 1000


def test_an_image_folder_holds_one_numbered_picture_a_page(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "images", [small_page(7), small_page(8)])
    assert sorted(path.name for path in folder.iterdir()) == ["page_1.png", "page_2.png"]
    with Image.open(folder / "page_2.png") as image:
        assert image.convert("RGB").tobytes() == render(small_page(8)).tobytes()
        assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-3)


def test_the_command_writes_the_book_and_prints_where(tmp_path: Path) -> None:
    dest = tmp_path / "book.pdf"
    result = run_sample(str(dest), "--pages", "2")
    assert result.stdout == f"{dest}\n"
    with pypdfium2.PdfDocument(dest) as document:
        assert len(document) == 2


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_the_command_refuses_a_book_without_pages(tmp_path: Path, count: str) -> None:
    result = run_sample(str(tmp_path / "book.pdf"), "--pages", count)
    assert result.returncode == 2
    assert "--pages" in result.stderr


def test_the_command_names_a_place_it_cannot_write_to(tmp_path: Path) -> None:
    dest = tmp_path / "no such folder" / "book.pdf"
    result = run_sample(str(dest), "--pages", "1")
    assert result.returncode == 5
    assert result.stderr == f"{dest} cannot be written: No such file or directory\n"


def run_sample(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(typesetting.__file__).parents[1]
    command = [sys.executable, "-m", "sample", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_a_missing_typeface_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "font_source_serif_pro", None)
    typesetting.typeface.cache_clear()
    with pytest.raises(SettingsError, match=r"pip install 'leafmark\[sample\]'"):
        typesetting.typeface(33)
