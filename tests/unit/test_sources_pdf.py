import errno
import threading
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from checkpointing.errors import InputError, PageError, StorageError, UnknownNameError
from tests.support.pdf_files import pdf_of, stream
from worker.pages.sources.pdf import PdfSource, fitting_scale
from worker.pages.sources.pdfium import inspect_pdf

BLANK = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 200]>>"


def pdf_with_pages(*pages: bytes) -> bytes:
    """A PDF whose pages are these objects, numbered from 3."""
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 3 + len(pages)))
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages))
    return pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", tree, *pages)


def pdf_of_picture(jpeg: bytes) -> bytes:
    """A PDF of one page, 100 x 200 points, filled by a grey JPEG of 100 x 200 pixels."""
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 200]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>",
        stream(b"", b"q 100 0 0 200 0 0 cm /I Do Q"),
        stream(
            b"/Type/XObject/Subtype/Image/Width 100/Height 200"
            b"/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode",
            jpeg,
        ),
    )


def jpeg_of(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[PdfSource]:
    """Three pages: upright, of a broken page object, and turned by a quarter."""
    path = tmp_path / "book.pdf"
    turned = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 200]/Rotate 90>>"
    path.write_bytes(pdf_with_pages(BLANK, b"(no page)", turned))
    with closing(PdfSource(path, dpi=144)) as source:
        yield source


def test_a_page_is_rendered_in_rgb_at_the_resolution_asked_for(book: PdfSource) -> None:
    page = book.page(1)
    assert (page.image.size, page.image.mode, page.dpi) == ((200, 400), "RGB", 144)


def test_a_turned_page_comes_out_as_readers_see_it(book: PdfSource) -> None:
    assert book.page(3).image.size == (400, 200)


def test_a_damaged_page_is_a_page_error_and_the_others_still_render(book: PdfSource) -> None:
    with pytest.raises(PageError, match=r"book\.pdf cannot be decoded: page 2") as caught:
        book.page(2)
    assert caught.value.kind == "damaged_page"
    assert book.total_pages == 3
    assert book.page(3).image.size == (400, 200)


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_page_that_does_not_exist_is_an_unknown_name(book: PdfSource, number: int) -> None:
    with pytest.raises(UnknownNameError, match="pages 1 to 3"):
        book.page(number)


def test_a_large_page_is_rendered_at_a_lower_resolution_that_it_reports(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_with_pages(BLANK))
    with closing(PdfSource(path, dpi=300, max_pixels=5_000)) as source:
        page = source.page(1)
    assert 4_500 < page.image.width * page.image.height <= 5_000
    assert page.dpi is not None
    assert page.image.width == pytest.approx(100 * page.dpi / 72, abs=1)


@pytest.mark.parametrize(("width", "height"), [(612, 792), (0.5, 14400), (14400, 14400), (3, 3)])
@pytest.mark.parametrize("max_pixels", [4, 999, 40_000_000])
def test_the_fitting_scale_never_exceeds_the_bound(width: float, height: float, max_pixels: int) -> None:
    scale = fitting_scale(width, height, 1200 / 72, max_pixels)
    across, down = -(-width * scale // 1), -(-height * scale // 1)
    assert 0 < across * down <= max_pixels


def test_the_picture_on_a_page_is_drawn_the_right_way_up(tmp_path: Path) -> None:
    picture = Image.new("L", (100, 200), 255)
    ImageDraw.Draw(picture).rectangle((0, 0, 99, 49), fill=0)
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_of_picture(jpeg_of(picture)))
    with closing(PdfSource(path, dpi=72)) as source:
        image = source.page(1).image
    assert image.getpixel((50, 20)) == (0, 0, 0)
    assert image.getpixel((50, 150)) == (255, 255, 255)


def test_a_page_left_blank_by_its_broken_picture_is_damaged(tmp_path: Path) -> None:
    """pdfium renders such a page white and reports nothing."""
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_of_picture(b"\x00" * 500))
    with (
        closing(PdfSource(path)) as source,
        pytest.raises(
            PageError, match="a picture that covers 100% of it is damaged: it cannot be decoded"
        ) as caught,
    ):
        source.page(1)
    assert caught.value.kind == "damaged_page"


def test_a_picture_too_large_for_memory_is_refused_however_small_its_page(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_of_picture(jpeg_of(Image.new("L", (100, 200)))))
    with closing(PdfSource(path, dpi=18, max_pixels=4_999)) as source, pytest.raises(PageError) as caught:
        source.page(1)
    assert caught.value.kind == "page_too_large"
    with closing(PdfSource(path, dpi=18, max_pixels=5_000)) as source:
        image = source.page(1).image
    assert 4_800 < image.width * image.height <= 5_000


def test_a_white_picture_is_just_an_empty_page(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_of_picture(jpeg_of(Image.new("L", (100, 200), 255))))
    with closing(PdfSource(path, dpi=72)) as source:
        assert source.page(1).image.getcolors() == [(100 * 200, (255, 255, 255))]


def test_a_page_that_fails_while_the_storage_is_away_is_not_called_damaged(
    book: PdfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("worker.pages.sources.checks.open_regular_file", gone)
    with pytest.raises(StorageError, match="stale"):
        book.page(2)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        PdfSource(tmp_path / "book.pdf")


@pytest.mark.parametrize("content", [b"", b"Chapter 1\n", pdf_with_pages(BLANK)[:60]])
def test_what_is_no_pdf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a PDF"):
        PdfSource(path)


def test_a_pdf_without_pages_is_refused_even_after_another_file_failed(tmp_path: Path) -> None:
    """pdfium's error code is only set by failures: that of the text file must not be shown for the other."""
    text, empty = tmp_path / "text.pdf", tmp_path / "empty.pdf"
    text.write_bytes(b"Chapter 1\n")
    empty.write_bytes(pdf_with_pages())
    with pytest.raises(InputError, match="not a PDF"):
        inspect_pdf(text)
    with pytest.raises(InputError, match="no pages"):
        inspect_pdf(empty)


def test_sources_in_several_threads_render_the_same(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    noise = jpeg_of(Image.effect_noise((100, 200), 90))
    path.write_bytes(pdf_of_picture(noise))
    rendered: list[bytes] = []

    def render() -> None:
        for _ in range(5):
            with closing(PdfSource(path, dpi=144)) as source:
                rendered.append(source.page(1).image.tobytes())

    threads = [threading.Thread(target=render) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rendered) == 20
    assert len(set(rendered)) == 1


@pytest.mark.parametrize(
    ("root", "others", "pages"),
    [
        (b"/Kids[3 0 R 4 0 R 5 0 R]/Count 3", (BLANK, BLANK, BLANK), 3),
        (b"/Count 5/Kids [ 3 0 R\n4 0 R ]", (BLANK, BLANK), 5),
        (
            b"/Kids[3 0 R 4 0 R]/Count 3",
            (BLANK, b"<</Type/Pages/Parent 2 0 R/Kids[5 0 R 6 0 R]/Count 1>>", BLANK, BLANK),
            3,
        ),
        (b"/Kids[3 0 R 4 0 R 5 0 R]/Count 2", (BLANK, BLANK, BLANK), None),
        (
            b"/Kids[3 0 R 4 0 R]/Count 2",
            (BLANK, b"<</Type /Pages/Parent 2 0 R/Kids[5 0 R 6 0 R]/Count 2>>", BLANK, BLANK),
            None,
        ),
    ],
)
def test_a_pdf_that_counts_fewer_pages_than_it_lists_is_refused(
    tmp_path: Path, root: bytes, others: tuple[bytes, ...], pages: int | None
) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages%s>>" % root, *others))
    if pages is not None:
        assert inspect_pdf(path).pages == pages
        return
    with pytest.raises(InputError, match=r"book\.pdf lists 3 pages but declares 2, so some of them cannot be read"):
        inspect_pdf(path)


def test_of_a_page_tree_that_was_written_anew_the_last_version_counts(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    content = pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 3 0 R]/Count 1>>", BLANK)
    path.write_bytes(content + b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n%%EOF\n")
    assert inspect_pdf(path).pages == 1
