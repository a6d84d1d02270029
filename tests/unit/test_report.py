"""The report of a complete book, of one that has only begun, and of a damaged one."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from checkpointing.errors import UnknownNameError
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from producer.report import limits
from producer.report.charts import cost_bars, timeline
from producer.report.collect import collect
from producer.report.model import BookReport, State
from producer.report.render import render
from tests.support.fake_deployment import files_under, write_scan
from tests.support.report_book import BEGIN, READ, SCAN, ReportBook, make_book, offline_deployment, page_picture

HOSTILE = "</script></style><img src=x onerror=alert(1)><b>'\" {{ 7*7 }} &amp; \u2028"


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A book that has not begun, and one that is complete in all stages: made once, each test gets copies."""
    begun, complete = (tmp_path_factory.mktemp(name) / "scans" for name in ("begun", "complete"))
    make_book(begun, map(page_picture, range(1, 5)))
    shutil.copytree(begun, complete)
    ReportBook(complete).through_all_stages()
    return begun, complete


@pytest.fixture
def book(tmp_path: Path, roots: tuple[Path, Path]) -> ReportBook:
    """Four pages, of which none has begun."""
    return ReportBook(shutil.copytree(roots[0], tmp_path / "scans"))


@pytest.fixture
def complete(tmp_path: Path, roots: tuple[Path, Path]) -> ReportBook:
    """The same in all four stages."""
    return ReportBook(shutil.copytree(roots[1], tmp_path / "complete"))


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and its text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._raw = ""
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in {"style", "script"} else ""

    def handle_endtag(self, _tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self._texts.append(data)


def made(book: ReportBook, *, images: bool = False) -> BookReport:
    return collect(book.parts.store, SCAN, images=images)


def shown(book: ReportBook) -> Parsed:
    return Parsed(render(made(book)))


def test_a_report_of_a_whole_book_needs_no_broker_and_changes_nothing(complete: ReportBook) -> None:
    before = files_under(complete.parts.store.root)
    report = made(complete, images=True)
    html = render(report)
    assert files_under(complete.parts.store.root) == before
    page = Parsed(html)
    assert [stage.name for stage in report.stages] == ["ocr", "correction", "fix", "structure"]
    assert {stage.status for stage in report.stages} == {"completed"}
    assert len(page.all("article")) == 4
    for words in (
        "Through the Looking-Glass",
        "Looking-Glass House 3",
        "The last line is hard to make out.",
        "$0.0029",
    ):
        assert words in page.text
    assert "<del>bis </del><ins>his </ins>" not in html, "the white after a word is no part of the edit"
    assert "put on <del>bis spectac1es.</del><ins>his spectacles.</ins>\nWhere" in html


def test_each_page_has_confidence_edits_cost_and_printed_number(complete: ReportBook) -> None:
    first, second, *_ = made(complete).pages
    assert (first.confidence, first.edits, first.cost_usd, first.printed) == (pytest.approx(0.95), 2, 0.0005, "11")
    assert (second.cost_usd, second.reasons) == (0.0014, ("The last line is hard to make out.",))
    assert first.corrected_by == "fix"
    assert [region.kind for region in first.regions] == ["heading", "body"]


def test_confidence_of_a_page_is_weighted_by_letters(book: ReportBook) -> None:
    outputs = book.read()
    outputs[1]["regions"][0].update(confidence=0.1, text="ab")
    outputs[1]["regions"][1].update(confidence=0.9, text="a" * 78)
    outputs[2]["regions"][0].update(type="image", text="", confidence=0.01)
    book.complete("ocr", outputs)
    first, second, *_ = made(book).pages
    assert first.confidence == pytest.approx((2 * 0.1 + 78 * 0.9) / 80)
    assert second.confidence == pytest.approx(0.95), "an image's figure is a share of ink"


def test_a_book_without_begun_stages(book: ReportBook) -> None:
    page = shown(book)
    assert "No stage has begun yet." in page.text
    assert "Not read yet." in page.text
    assert "Most expensive" not in page.text


def test_a_book_with_ocr_alone(book: ReportBook) -> None:
    outputs = book.read()
    del outputs[3]
    book.complete("ocr", outputs)
    report = made(book)
    page = Parsed(render(report))
    assert [each.states["ocr"] for each in report.pages] == [
        State.COMPLETE,
        State.COMPLETE,
        State.PENDING,
        State.COMPLETE,
    ]
    assert report.pages[0].edits is None
    assert "Not corrected" in page.text
    assert "bis spectac1es." in page.text
    assert not page.all("ins")
    assert {"heat-confidence", "heat-edits"} & {each["id"] for each in page.all("input")} == {"heat-confidence"}


def regions_with(page: Parsed, name: str) -> list[list[int]]:
    """The numbers in an attribute of the regions of the first page."""
    found = [attributes[name] for attributes in page.all("section") if name in attributes]
    return [[int(number) for number in str(value).split(" ")] for value in found[:2]]


def test_a_page_that_is_not_corrected_has_its_text_once(book: ReportBook) -> None:
    book.complete("ocr", book.read())
    html = render(made(book))
    assert html.count("bis spectac1es.") == 4, "once a page"
    assert 'class="text after' not in html


def test_a_page_has_the_places_and_confidences_of_its_words(book: ReportBook) -> None:
    book.complete("ocr", book.read_with_places())
    page = shown(book)
    assert made(book).pages[0].size == (250, 350)
    head, body = regions_with(page, "data-words")
    assert head == [20, 60, 20, 10, 99, 42, 60, 20, 10, 50]
    assert len(body) == 5 * len(READ.split())
    assert body[30:35] == [20 + 22 * 6, 110, 20, 10, 50]
    assert body[35:40] == [20, 124, 20, 10, 99]


TABLE = "Goods <1>\nWheat\t842"


def read_table(book: ReportBook) -> dict[int, dict[str, Any]]:
    """What the OCR stage writes for pages whose second region is a table."""
    rows = [
        [{"bbox": [20, 110, 90, 10], "text": "Goods <1>", "heading": True, "column_span": 2}],
        [{"bbox": [20, 124, 40, 10], "text": "Wheat"}, {"bbox": [70, 124, 40, 10], "text": "842"}],
    ]
    found = {page: dict(output) for page, output in book.read(TABLE).items()}
    for output in found.values():
        output["regions"][1] |= {"type": "table", "rows": rows}
    return found


def test_a_table_is_shown_as_one_with_its_headings_and_numbers(book: ReportBook) -> None:
    book.complete("ocr", read_table(book))

    html = render(made(book))

    assert '<th scope="col" colspan="2">Goods &lt;1&gt;</th>' in html
    assert '<td>Wheat</td>\n<td class="number">842</td>' in html


@pytest.mark.parametrize(
    ("corrected", "expected"),
    [
        ("Goods <1>\nWheat\t342", '<td class="number"><del>842</del><ins>342</ins></td>'),
        ("Goods <1>\nWheat 342", "<ins>Wheat 342</ins>"),
        ("Goods <1>\nWheat\t842\t1", "<ins>842\t1</ins>"),
    ],
)
def test_changes_of_a_table_are_in_its_cells_while_it_has_the_same_ones(
    book: ReportBook, corrected: str, expected: str
) -> None:
    book.complete("ocr", read_table(book))
    book.complete("correction", book.corrected(TABLE, corrected))

    html = render(made(book))

    assert '<td>Wheat</td>\n<td class="number">842</td>' in html
    assert expected in html


def test_without_words_a_page_has_the_places_of_its_lines(book: ReportBook) -> None:
    book.complete("ocr", book.read_with_places(words=False))
    page = shown(book)
    assert regions_with(page, "data-words") == []
    assert regions_with(page, "data-lines") == [[20, 60, 200, 10, 95], [20, 110, 200, 10, 95, 20, 124, 200, 10, 95]]


def test_a_long_book_has_the_places_of_lines_alone(book: ReportBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.report.collect.MAX_PAGES_WITH_WORDS", 3)
    book.complete("ocr", book.read_with_places())
    page = shown(book)
    assert regions_with(page, "data-words") == []
    assert len(regions_with(page, "data-lines")) == 2


def test_a_region_that_was_read_again_since_its_correction_has_no_boxes(complete: ReportBook) -> None:
    complete.complete("ocr", complete.read_with_places())
    assert all(region.boxes for region in made(complete).pages[0].regions)
    again = complete.read_with_places()
    for output in again.values():
        output["regions"][1] |= {"text": "another text", "lines": []}
    complete.complete("ocr", again)
    assert [region.boxes is None for region in made(complete).pages[0].regions] == [False, True]


@pytest.mark.parametrize(("characters", "expected"), [(3, "fit-4"), (40, "fit-4"), (41, "fit-5"), (500, "fit-12")])
def test_the_size_of_type_follows_the_longest_line(book: ReportBook, characters: int, expected: str) -> None:
    outputs = book.read("a" * characters)
    for output in outputs.values():
        del output["regions"][0]
        output["regions"][0] |= {"reading_order": 1}
    book.complete("ocr", outputs)
    classes = {str(each.get("class")) for each in shown(book).all("div")}
    assert f"texts {expected}" in classes


def test_pages_in_quarantine_are_listed_with_their_reasons(book: ReportBook) -> None:
    outputs = book.read()
    del outputs[2]
    failed = FailedPage(page=2, kind="damaged_page", message=f"torn {HOSTILE}", attempts=3)
    book.complete("ocr", outputs, failed=[failed])
    report = made(book)
    html = render(report)
    assert report.pages[1].states == {"ocr": State.QUARANTINED}
    assert Parsed(html).text.count("damaged_page") == 2, "in the list and on the page"
    assert "onerror=alert" not in re.sub("&lt;img src=x onerror=alert", "", html)


@pytest.mark.parametrize(
    "content", [b"", b"{ torn", b"[]", b'{"page_number": 9}', b'{"page_number": 2, "regions": 7}']
)
def test_a_damaged_output_is_marked_and_the_intact_ones_are_shown(complete: ReportBook, content: bytes) -> None:
    complete.output_path("fix", 2).write_bytes(content)
    report = made(complete)
    second = report.pages[1]
    assert second.states["fix"] is State.DAMAGED
    assert [problem.stage for problem in report.problems] == ["fix"]
    assert second.corrected_by == "correction"
    assert "Damaged outputs" in Parsed(render(report)).text


def test_missing_and_unreadable_outputs_are_damaged(complete: ReportBook) -> None:
    for stage in ("ocr", "correction"):
        complete.output_path(stage, 1).unlink()
    complete.output_path("fix", 1).unlink()
    complete.output_path("fix", 1).mkdir()
    first = made(complete).pages[0]
    assert first.states == {"ocr": "damaged", "correction": "damaged", "fix": "damaged", "structure": "complete"}
    assert first.regions == ()


def test_an_output_edited_by_hand_is_shown_and_marked_as_changed(complete: ReportBook) -> None:
    path = complete.output_path("fix", 1)
    path.write_text(path.read_text().replace("HEAD 1", "HEAD MINE"))
    first = made(complete).pages[0]
    assert first.states["fix"] is State.DAMAGED
    assert first.regions[0].before == "HEAD MINE"
    assert "changed since" in first.problems[0].words


@pytest.mark.parametrize("content", [b"{ torn", b'{"version": "9.9"}'])
def test_an_unusable_checkpoint_does_not_stop_the_report(complete: ReportBook, content: bytes) -> None:
    complete.parts.store.checkpoint_file(StageRef(SCAN, "ocr")).path.write_bytes(content)
    report = made(complete)
    assert report.stages[0].status == "unreadable"
    assert {page.states["ocr"] for page in report.pages} == {State.SAVED}
    assert "cannot be used" in Parsed(render(report)).text


@pytest.mark.parametrize("content", [b"{ torn", b"[]", b"{}", b'{"chapters": 3}'])
def test_unreadable_chapters_are_reported_as_damaged(complete: ReportBook, content: bytes) -> None:
    (complete.path / "structured" / "metadata.json").write_bytes(content)
    text = shown(complete).text
    assert "metadata.json of the structure stage is damaged" in text
    assert "spectacles." in text, "the pages are there all the same"


def test_text_of_a_book_is_never_markup(tmp_path: Path) -> None:
    book = make_book(tmp_path / "scans", map(page_picture, range(1, 4)), title=HOSTILE)
    harmless = render(made(book))
    book.complete("ocr", book.read(HOSTILE))
    book.complete("correction", book.corrected(HOSTILE, f"{HOSTILE} and more"))
    book.complete("structure", book.structured(HOSTILE))
    html = render(made(book))
    page = Parsed(html)
    assert not page.all("img")
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [attributes for _, attributes in page.tags if "style" in attributes]
    assert page.text.count("onerror=alert(1)") > 6
    assert "{{ 7*7 }} &amp;amp;" in html, "no template and no entity either"
    assert Parsed(harmless).all("script") == page.all("script")


def test_control_characters_of_older_outputs_do_not_reach_the_report(tmp_path: Path) -> None:
    nasty = "Call\x1b[31m me\x00 \x9bIshmael\u202e.\x07"
    book = make_book(tmp_path / "scans", map(page_picture, range(1, 4)), title=f"Moby\u2066 {nasty}")
    book.complete("ocr", book.read(nasty))
    html = render(made(book))
    assert "Call[31m me Ishmael." in html
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


def test_a_report_loads_nothing_and_its_policy_allows_only_its_own_content(complete: ReportBook) -> None:
    html = render(made(complete, images=True))
    page = Parsed(html)
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"href", "src", "data-src"}
    ]
    assert len(addresses) > 20
    assert all(str(each).startswith(("#", "data:image/webp;base64,")) for each in addresses)
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in str(policy)


def test_pictures_are_within_their_limits(book: ReportBook) -> None:
    report = made(book, images=True)
    assert set(report.pictures) == {1, 2, 3, 4}
    for each in report.pictures.values():
        assert each.thumbnail is not None
        assert each.picture is not None
        assert len(each.thumbnail) < limits.THUMBNAIL_BYTES * 4 / 3 + 40
        assert len(each.picture) < limits.PICTURE_BYTES * 4 / 3 + 40
    assert len({each.thumbnail for each in report.pictures.values()}) == 4


def test_pages_of_a_long_book_share_the_limit_for_pictures() -> None:
    pages = limits.MAX_VIEWS
    together = pages * (
        limits.share(limits.PICTURE_BYTES, limits.ALL_PICTURE_BYTES, pages)
        + limits.share(limits.THUMBNAIL_BYTES, limits.ALL_THUMBNAIL_BYTES, pages)
    )
    assert together <= limits.ALL_PICTURE_BYTES + limits.ALL_THUMBNAIL_BYTES


def test_a_page_that_cannot_be_rendered_says_so(book: ReportBook) -> None:
    (book.path / "source" / book.metadata.source.files[1].name).write_bytes(b"no picture")
    report = made(book, images=True)
    assert report.pictures[2].thumbnail is None
    assert report.pictures[3].thumbnail is not None
    assert "The page cannot be shown" in Parsed(render(report)).text


def test_a_missing_source_leaves_a_report_without_pictures(tmp_path: Path) -> None:
    write_scan(tmp_path / "scans", SCAN, 3)
    report = collect(offline_deployment(tmp_path / "scans").store, SCAN)
    assert [each.thumbnail for each in report.pictures.values()] == [None] * 3
    assert "cannot be shown" in Parsed(render(report)).text


def test_a_very_long_book_gets_the_grid_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.report.model.MAX_VIEWS", 3)
    monkeypatch.setattr("producer.report.collect.MAX_VIEWS", 3)
    monkeypatch.setattr("producer.report.collect.MAX_TILES", 4)
    write_scan(tmp_path / "scans", SCAN, 6)
    report = collect(offline_deployment(tmp_path / "scans").store, SCAN)
    page = Parsed(render(report))
    assert len(report.pages) == 4
    assert not page.all("article")
    assert not report.pictures
    assert "The first 4 of 6 pages." in page.text


def test_a_very_long_text_is_cut(book: ReportBook) -> None:
    book.complete("ocr", book.read("word " * 40_000))
    report = made(book)
    assert sum(len(region.before) for region in report.pages[0].regions) <= 2 * limits.MAX_CHARACTERS
    assert "longer than what is shown" in Parsed(render(report)).text


def test_costs_come_from_the_ledger_even_if_the_checkpoint_is_behind(book: ReportBook) -> None:
    book.complete("ocr", book.read())
    book.pay("correction", 1, 700)
    book.pay("correction", 1, 500)
    book.pay("correction", 2, 0, answered=False)
    book.complete("correction", {})
    _, correction = made(book).stages
    assert (correction.cost_usd, correction.page_cost_usd) == (0.0012, {1: 0.0012})
    assert (correction.calls.answered, correction.calls.unanswered, correction.calls.at_risk_usd) == (2, 1, 0.0009)
    assert "$0.0012" in shown(book).text


def test_the_timeline_rises_to_the_pages_of_each_stage_without_long_breaks(book: ReportBook) -> None:
    book.complete("ocr", book.read(), seconds_each=3600)
    drawn = timeline(made(book).stages)
    assert drawn is not None
    assert [line.stage for line in drawn.lines] == ["ocr"]
    assert (drawn.begin, drawn.end) == (BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=4))
    assert [each.seconds for each in drawn.breaks] == [3600] * 3
    points = [tuple(map(float, point.split(","))) for point in drawn.lines[0].points.split()]
    assert points == sorted(points, key=lambda point: (point[0], -point[1]))
    assert points[-1][1] == 0.0, "all pages are the upper edge"
    assert max(x for x, _ in points) <= 960
    assert timeline(()) is None


def test_the_cost_bars_add_up_to_the_total_cost(complete: ReportBook) -> None:
    drawn = cost_bars(made(complete).stages, 4)
    assert drawn is not None
    assert (drawn.max_usd, drawn.pages_per_bar) == (0.0014, 1)
    heights = sum(part.height for part in drawn.parts)
    assert heights / 140 * drawn.max_usd == pytest.approx(0.0029, rel=0.01)
    assert cost_bars((), 4) is None


def test_an_unknown_scan_is_an_error(book: ReportBook) -> None:
    with pytest.raises(UnknownNameError):
        collect(book.parts.store, "another-book")


def test_a_report_records_when_it_was_made(book: ReportBook) -> None:
    assert datetime.now(UTC) - made(book).made_at < timedelta(minutes=1)
