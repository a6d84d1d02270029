"""The report in a browser, opened from its file as a person does."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from producer.report.collect import collect
from producer.report.render import render
from producer.report.write import write_report
from tests.support.browser import Complaints, chromium, keep_screenshot
from tests.support.report_book import CORRECTED, READ, SCAN, make_book, page_picture

HOSTILE = "</script><img src=x onerror=document.title='broken'>"
PAGES = 4
_LINES_SHOWN = """text => {
    const range = document.createRange();
    range.selectNodeContents(text);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
}"""
DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on a book whose title and text are up to no good."""
    folder = tmp_path_factory.mktemp("report")
    book = make_book(folder / "scans", map(page_picture, range(1, PAGES + 1)), title=f"A Book {HOSTILE}")
    book.complete("ocr", book.read_with_places())
    corrected = book.corrected()
    corrected[1]["regions"][0]["text"] = HOSTILE
    book.complete("correction", corrected, cost_micro=dict.fromkeys(book.pages, 400))
    book.complete("fix", corrected)
    book.complete("structure", book.structured())
    path = folder / "report.html"
    write_report(path, render(collect(book.parts.store, SCAN)))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, report: str) -> Iterator[Page]:
    """The report, opened; at the end nothing may have gone wrong in it."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        complaints = Complaints(page)
        page.goto(report)
        yield page
        assert complaints.lines == []


def test_a_page_is_opened_read_side_by_side_and_left_again(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(f"A Book {HOSTILE}")
    expect(page).to_have_title(f"A Book {HOSTILE} {DASH} {SCAN}")
    expect(page.locator(".tile img")).to_have_count(PAGES)
    keep_screenshot(page, "report")

    page.get_by_role("link", name="Page 2").click()
    view = page.locator("article:visible")
    expect(view.get_by_role("heading", level=2)).to_contain_text("Page 2")
    expect(view.get_by_role("heading", level=2)).to_be_focused()
    expect(page.locator(".overview")).to_be_hidden()
    expect(view.locator(".before").nth(1)).to_have_text(READ)
    expect(view.locator(".after").nth(1)).to_contain_text("his spectacles.")
    assert view.locator(".after del").all_inner_texts() == ["bis spectac1es."]
    assert view.locator(".after ins").all_inner_texts() == ["his spectacles."]
    assert CORRECTED.splitlines()[1] in view.inner_text()
    picture = view.get_by_role("img", name="Scan of page 2")
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 250
    keep_screenshot(page, "report-page")

    page.keyboard.press("ArrowLeft")
    expect(view.get_by_role("heading", level=2)).to_contain_text("Page 1")
    expect(view.locator("ins").first).to_have_text(HOSTILE)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(view.get_by_role("heading", level=2)).to_contain_text("Page 2")
    page.keyboard.press("Escape")
    expect(page.locator("#tile-2")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(view.get_by_role("heading", level=2)).to_contain_text("Page 3")
    assert page.locator("img[src=x]").count() == 0


def test_a_word_on_the_picture_shows_its_text_and_confidence(page: Page) -> None:
    page.goto(f"{page.url}#page-2")
    view = page.locator("article:visible")
    boxes, told = view.locator(".box"), view.locator(".reading")
    expect(boxes).to_have_count(2 + len(READ.split()))
    poor = view.get_by_role("img", name="spectac1es. 50 %")
    poor.hover()
    expect(told).to_have_text("spectac1es.50 %")
    expect(poor).to_have_class("box poor")
    picture, box = view.locator("figure img").bounding_box(), poor.bounding_box()
    assert picture is not None
    assert box is not None
    scale = min(picture["width"] / 250, picture["height"] / 350)
    left = picture["x"] + (picture["width"] - 250 * scale) / 2
    assert box["x"] == pytest.approx(left + (20 + 22 * 6) * scale, abs=2)
    assert box["y"] == pytest.approx(picture["y"] + 110 * scale, abs=2)

    view.get_by_label("Boxes").focus()
    page.keyboard.press("Shift+Tab")
    expect(boxes.first).to_be_focused()
    expect(told).to_have_text("HEAD99 %")
    page.keyboard.press("ArrowRight")
    expect(told).to_have_text("250 %")
    page.keyboard.press("ArrowDown")
    expect(told).to_have_text("White99 %")
    page.keyboard.press("ArrowDown")
    expect(told).to_have_text("shall99 %")
    view.get_by_label("Boxes").uncheck()
    expect(page.locator("body")).to_have_class("without-boxes")
    page.keyboard.press("ArrowRight")
    expect(page.locator("article:visible h2")).to_contain_text("Page 3")
    expect(boxes).to_have_count(2 + len(READ.split()))


@pytest.mark.parametrize("width", [800, 1280])
def test_a_printed_line_is_one_line_and_the_picture_stays_beside_it(
    browser: Browser, report: str, width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"{report}#page-2")
        view = page.locator("article:visible")
        lines = view.locator(".before").nth(1).evaluate(_LINES_SHOWN)
        assert lines == len(READ.splitlines())
        picture, text = view.locator(".scan").bounding_box(), view.locator(".texts").bounding_box()
        assert picture is not None
        assert text is not None
        assert picture["width"] == pytest.approx(text["width"], rel=0.01)
        assert picture["x"] + picture["width"] < text["x"]
        assert view.locator("figure").evaluate("figure => getComputedStyle(figure).position") == "sticky"


def test_the_grid_shows_what_is_chosen_in_words_and_colour(page: Page) -> None:
    tile, foot = page.locator("#tile-1"), page.locator("#tile-1 .foot")
    plain = foot.evaluate("foot => getComputedStyle(foot).backgroundColor")
    expect(tile).to_contain_text("ocr complete")
    page.get_by_text("OCR confidence", exact=True).click()
    expect(foot.get_by_text("95 %")).to_be_visible()
    assert foot.evaluate("foot => getComputedStyle(foot).backgroundColor") != plain
    page.keyboard.press("ArrowRight")
    expect(foot.get_by_text("2 edits")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(foot.get_by_text("$0.00040")).to_be_visible()
    keep_screenshot(page, "report-cost")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, report: str, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme) as context:
        page = context.new_page()
        for name, address in (("book", report), ("page", f"{report}#page-1")):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") == 360
            keep_screenshot(page, f"report-phone-{name}-{scheme}")


def test_opened_at_a_page_its_picture_is_there(browser: Browser, report: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{report}#page-3")
        expect(page).to_have_title(f"Page 3 {DASH} A Book {HOSTILE} {DASH} {SCAN}")
        assert page.locator("article:visible figure img").get_attribute("src")


def test_without_scripts_pages_can_be_read_all_the_same(browser: Browser, report: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report)
        page.get_by_role("link", name="Page 2").click()
        expect(page.locator("article:visible .after").nth(1)).to_contain_text("his spectacles.")
