"""The gallery of pages as scanned and as read, of tiny pages and an engine that knows their text."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from checkpointing.errors import InputError
from sample import picture_pages
from sample.capture_gallery import scanned_pages, write_gallery
from sample.gallery import GalleryPage
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine
from worker.pages.geometry.gutter import Gutter
from worker.pages.geometry.spread import FoundGutter
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrStage
from worker.stages.options import OcrOptions

SIZE = (300, 200)
TEXT = "Down the <Rabbit-Hole>"


class OneLine(Engine):
    name = "one_line"
    languages = "those of the test"

    @property
    def version(self) -> str:
        return "one line 1"

    def load(self) -> None:
        """Load nothing."""

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        return [OcrLine(TEXT, 0.9, Box(20, 80, image.width - 40, 24))]


@pytest.fixture
def gallery(tmp_path: Path) -> Callable[..., str]:
    def make(*pages: GalleryPage, rotate: str = "off") -> str:
        options = OcrOptions(ocr_rotate=rotate, ocr_deskew="off", ocr_crop="off")
        output = tmp_path / "made" / "gallery.html"
        write_gallery(pages, OcrStage(options, OneLine(options)), output)
        return output.read_text(encoding="utf-8")

    return make


def page(title: str = "page.png", text: str | None = None) -> GalleryPage:
    return GalleryPage(title, PageImage(Image.new("RGB", SIZE, "white"), 300.0), text)


def test_gallery_shows_a_page_as_scanned_and_as_read_without_loading_anything(
    gallery: Callable[..., str],
) -> None:
    html = gallery(page("a & b.png", TEXT), rotate="90")
    assert "a &amp; b.png" in html
    assert "Turned by 90 degrees" in html
    assert "100.00% of the words found" in html
    assert f'viewBox="0 0 {SIZE[0]} {SIZE[1]}"' in html
    assert f'viewBox="0 0 {SIZE[1]} {SIZE[0]}"' in html
    assert "Down the &lt;Rabbit-Hole&gt;" in html
    assert 'class="header"' in html or 'class="body"' in html
    assert all(uri.startswith("data:image/webp;base64,") for uri in re.findall(r'(?:href|src)="([^"]*)"', html))
    assert "<script" not in html


def test_gallery_says_why_a_page_was_not_read(gallery: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneLine, "recognise", lambda _engine, _image: [])
    image = Image.radial_gradient("L").resize(SIZE)
    unreadable = GalleryPage("tiny.pdf", PageImage(image, 20.0, doubt="its print is too small"))
    assert "no text found on the page: its print is too small" in gallery(unreadable)


def test_scans_are_images_with_their_texts_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        Image.new("RGB", SIZE, "white").save(tmp_path / name)
    (tmp_path / "b.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "notes.md").write_text("no page")
    pages = list(scanned_pages([tmp_path]))
    assert [(each.title, each.text) for each in pages] == [("a.png", None), ("b.png", TEXT)]
    assert pages[0].scanned.image.size == SIZE


def test_spread_is_shown_as_two_pages(
    gallery: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = FoundGutter(Gutter(top=(0.5, 0.0), bottom=(0.5, 1.0)))
    monkeypatch.setattr(picture_pages, "find_gutter", lambda *_: found)
    Image.new("RGB", SIZE, "white").save(tmp_path / "spread.png")
    left, right = scanned_pages([tmp_path / "spread.png"])
    assert [left.title, right.title] == ["spread.png, left page", "spread.png, right page"]
    html = gallery(left, right)
    assert 'points="0,0 150,0 150,200 0,200"' in html
    assert 'points="150,0 300,0 300,200 150,200"' in html


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_path_without_scans_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        list(scanned_pages([tmp_path / name]))
