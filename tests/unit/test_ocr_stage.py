"""The OCR stage with an engine that answers from a list, and the schema of its output."""

from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from checkpointing.errors import PageError, SettingsError
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine, OcrWord
from worker.pages.sources.base import PageImage
from worker.stages.base import Stage
from worker.stages.ocr import OcrPage, OcrStage
from worker.text.control_characters import clean_model


class ListEngine(Engine):
    name = "list"
    package = "none"
    languages = "none"
    version = "list 1"

    def __init__(self, lines: list[OcrLine]) -> None:
        super().__init__(None)
        self.lines = lines
        self.loads = 0

    def load(self) -> None:
        self.loads += 1

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        assert image.size == (1000, 1400)
        return self.lines


class BrokenEngine(ListEngine):
    def load(self) -> None:
        raise SettingsError("not installed")


class OnePage:
    total_pages = 1

    def __init__(self, image: Image.Image | None = None, doubt: str = "", languages: tuple[str, ...] = ()) -> None:
        self._image = image or Image.new("L", (1000, 1400), 235)
        self._doubt = doubt
        self._languages = languages

    def image(self, page: int) -> PageImage:
        assert page == 7
        return PageImage(self._image, dpi=300.0, doubt=self._doubt)

    def languages(self, page: int) -> tuple[str, ...]:
        assert page == 7
        return self._languages

    def output(self, stage: str, page: int) -> dict[str, Any]:
        raise AssertionError(f"OCR needs no output of {stage} for page {page}")


def paragraph() -> list[OcrLine]:
    return [OcrLine(f"line {number}", 0.9, Box(100, 300 + 26 * number, 800, 20)) for number in range(5)]


def output() -> dict[str, Any]:
    """A valid output with two regions, as parsed JSON."""
    header = OcrLine("THE WHALE", 0.95, Box(400, 60, 200, 20))
    page = OcrStage(engine=ListEngine([header, *paragraph()])).run(7, OnePage())
    return page.model_dump(mode="json")


def test_a_page_of_text_becomes_numbered_regions() -> None:
    before = datetime.now(UTC)

    result = output()

    assert [(r["id"], r["type"], r["reading_order"]) for r in result["regions"]] == [
        ("r1", "header", 1),
        ("r2", "body", 2),
    ]
    assert result["regions"][0]["bbox"] == [400, 60, 200, 20]
    assert result["regions"][1]["text"] == "line 0\nline 1\nline 2\nline 3\nline 4"
    assert result["page_number"] == 7
    assert result["page_dimensions"] == {"width": 1000, "height": 1400}
    assert (result["blank"], result["dpi"]) == (False, 300.0)
    assert (result["engine"], result["engine_version"]) == ("list", "list 1")
    assert before <= datetime.fromisoformat(result["ocr_timestamp"]) <= datetime.now(UTC)


def skewed() -> OcrLine:
    words = (OcrWord("<text>", 0.87654, Box(100, 300, 90, 20)), OcrWord("here", 0.9, Box(200, 302, 60, 20)))
    outline = ((100, 300), (260, 304), (260, 324), (100, 320))
    return OcrLine("<text> here", 0.9, Box(100, 300, 160, 24), words, outline, ((100, 316), (260, 320)))


def skewed_output() -> dict[str, Any]:
    page = OcrStage(engine=ListEngine([skewed()])).run(7, OnePage())
    return page.model_dump(mode="json")


def test_an_output_has_the_lines_and_words_of_its_regions() -> None:
    (region,) = skewed_output()["regions"]

    assert region["lines"] == [
        {
            "bbox": [100, 300, 160, 24],
            "polygon": [[100, 300], [260, 304], [260, 324], [100, 320]],
            "baseline": [[100, 316], [260, 320]],
            "text": "<text> here",
            "confidence": 0.9,
            "words": [
                {"text": "<text>", "confidence": 0.877, "bbox": [100, 300, 90, 20]},
                {"text": "here", "confidence": 0.9, "bbox": [200, 302, 60, 20]},
            ],
        }
    ]


def test_of_an_engine_that_gives_boxes_only_an_output_has_lines_without_words() -> None:
    lines = output()["regions"][1]["lines"]

    assert [line["text"] for line in lines] == [f"line {number}" for number in range(5)]
    assert lines[0]["polygon"] == [[100, 300], [900, 300], [900, 320], [100, 320]]
    assert not {"words", "baseline"} & lines[0].keys()


def test_an_output_of_a_version_without_lines_is_valid_and_stays_the_same() -> None:
    older = output()
    for region in older["regions"]:
        del region["lines"]

    page = OcrPage.model_validate(older)

    assert page.model_dump(mode="json", exclude_unset=True) == older
    assert '"lines"' not in page.model_dump_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [("two words", ["two"]), ("two words", ["words", "two"]), ("two\x1cwords", ["two", "words"]), ("a", ["a", ""])],
)
def test_words_that_are_not_those_of_the_text_are_left_out(text: str, words: list[str]) -> None:
    box = Box(100, 300, 90, 20)
    found = OcrLine(text, 0.9, box, tuple(OcrWord(word, 0.9, box) for word in words))

    page = clean_model(OcrStage(engine=ListEngine([found])).run(7, OnePage()))

    ((line,),) = (region.lines for region in page.regions)
    assert line.words == ()


def test_lines_with_line_breaks_that_cleaning_would_change_are_left_out() -> None:
    lines = [OcrLine(f"{number}\r", 0.9, Box(100, 300 + 26 * number, 800, 20)) for number in range(2)]

    page = clean_model(OcrStage(engine=ListEngine(lines)).run(7, OnePage()))

    assert page.regions[0].lines == ()
    assert page.regions[0].text.split() == ["0", "1"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"text": "<text>  here", "words": []}, "not that of its lines"),
        ({"text": ""}, "at least 1 character"),
        ({"words": [{"text": "<text>", "confidence": 1, "bbox": [1, 1, 1, 1]}]}, "not those of its text"),
        ({"polygon": [[100, 300], [260, 304], [260, 324]]}, "polygon"),
        ({"polygon": [[100, 300], [260, 304], [260, 324], [100, 1401]]}, "beyond the page"),
        ({"baseline": [[100, 316], [1001, 320]]}, "beyond the page"),
        ({"baseline": [[-1, 316], [260, 320]]}, "greater than or equal to 0"),
        ({"bbox": [100, 300, 901, 24]}, "beyond the page"),
        ({"bbox": [100, 300, 0, 24]}, "greater than 0"),
        ({"confidence": 1.1}, "less than or equal to 1"),
        ({"note": "extra"}, "Extra inputs"),
    ],
)
def test_an_output_with_a_wrong_line_is_invalid(changes: dict[str, Any], complaint: str) -> None:
    broken = skewed_output()
    broken["regions"][0]["lines"][0] |= changes

    with pytest.raises(ValidationError, match=complaint):
        OcrPage.model_validate(broken)


def table_output() -> dict[str, Any]:
    """A valid output with a table of four rows and two columns, as parsed JSON."""
    cells = [("Goods", "Price"), ("Wheat", "342"), ("Oats", "79"), ("Rye", "12")]
    lines = [
        OcrLine(text, 0.9, Box(x, 300 + 26 * row, 10 * len(text), 20))
        for row, texts in enumerate(cells)
        for x, text in zip((100, 300), texts, strict=True)
    ]
    page = OcrStage(engine=ListEngine(lines)).run(7, OnePage())
    return page.model_dump(mode="json")


def test_a_table_has_its_rows_and_cells() -> None:
    (region,) = table_output()["regions"]

    assert region["type"] == "table"
    assert region["text"] == "Goods\tPrice\nWheat\t342\nOats\t79\nRye\t12"
    assert region["rows"][:2] == [
        [
            {"bbox": [100, 300, 50, 20], "text": "Goods", "heading": True},
            {"bbox": [300, 300, 50, 20], "text": "Price", "heading": True},
        ],
        [{"bbox": [100, 326, 50, 20], "text": "Wheat"}, {"bbox": [300, 326, 30, 20], "text": "342"}],
    ]
    assert [line["text"] for line in region["lines"]] == region["text"].split()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rows": []}, "a table has rows"),
        ({"type": "body"}, "no other region has any"),
        ({"text": "Goods Price"}, "not that of its cells"),
        ({"lines": []}, None),
        ({"rows": [[{"bbox": [100, 300, 901, 20], "text": "Goods"}]], "text": "Goods", "lines": []}, "beyond"),
    ],
)
def test_an_output_with_a_wrong_table_is_invalid(changes: dict[str, Any], complaint: str | None) -> None:
    output = table_output()
    output["regions"][0] |= changes

    if complaint is None:
        OcrPage.model_validate(output)
        return
    with pytest.raises(ValidationError, match=complaint):
        OcrPage.model_validate(output)


def test_an_output_survives_being_written_and_read() -> None:
    page = OcrStage(engine=ListEngine(paragraph())).run(7, OnePage())

    assert OcrPage.model_validate_json(page.model_dump_json()) == page


def test_a_blank_page_is_a_valid_empty_output() -> None:
    page = OcrStage(engine=ListEngine([])).run(7, OnePage())

    assert page.blank
    assert page.regions == ()


def test_a_picture_without_text_is_not_blank() -> None:
    image = Image.new("L", (1000, 1400), 235)
    ImageDraw.Draw(image).ellipse((200, 300, 800, 900), fill=60)

    page = OcrStage(engine=ListEngine([])).run(7, OnePage(image))

    assert not page.blank
    assert [(region.type, region.text) for region in page.regions] == [("image", "")]


def test_the_stage_loads_its_engine_when_prepared() -> None:
    engine = ListEngine([])
    stage: Stage = OcrStage(engine=engine)
    assert engine.loads == 0

    stage.prepare()

    assert engine.loads == 1


def test_an_engine_that_is_not_installed_stops_the_preparation() -> None:
    with pytest.raises(SettingsError, match="not installed"):
        OcrStage(engine=BrokenEngine([])).prepare()


@pytest.mark.parametrize("field", sorted(OcrPage.model_fields.keys() - {"made_from", "doubtful", "geometry"}))
def test_an_output_without_one_of_its_fields_is_invalid(field: str) -> None:
    broken = output()
    del broken[field]

    with pytest.raises(ValidationError, match=field):
        OcrPage.model_validate(broken)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"blank": True}, "blank exactly when"),
        ({"regions": []}, "blank exactly when"),
        ({"engine": ""}, "at least 1 character"),
        ({"engine": "<placeholder>"}, "never filled in"),
        ({"engine_version": " [PLACEHOLDER] "}, "never filled in"),
        ({"ocr_timestamp": "TODO"}, "ocr_timestamp"),
        ({"ocr_timestamp": "2026-01-01T00:00:00"}, "timezone"),
        ({"page_number": 0}, "greater than 0"),
        ({"dpi": 0}, "greater than 0"),
        ({"seconds": -1}, "greater than or equal to 0"),
        ({"seconds": float("nan")}, "seconds"),
        ({"page_dimensions": {"width": 500, "height": 1400}}, "beyond the page"),
        ({"page_dimensions": {"width": 0, "height": 1400}}, "greater than 0"),
        ({"note": "extra"}, "Extra inputs"),
    ],
)
def test_an_output_with_a_wrong_field_is_invalid(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        OcrPage.model_validate(output() | changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"id": "r1"}, "same id"),
        ({"reading_order": 1}, "reading_order"),
        ({"reading_order": 3}, "reading_order"),
        ({"type": "margin"}, "type"),
        ({"type": "image"}, "an image has no text"),
        ({"text": ""}, "every other region has some"),
        ({"text": " \n"}, "every other region has some"),
        ({"text": "<text>"}, "never filled in"),
        ({"confidence": 1.01}, "less than or equal to 1"),
        ({"confidence": float("nan")}, "confidence"),
        ({"bbox": [100, 300, 901, 20]}, "beyond the page"),
        ({"bbox": [-1, 300, 100, 20]}, "greater than or equal to 0"),
        ({"bbox": [100, 300, 100, 0]}, "greater than 0"),
        ({"bbox": [100, 300, 100]}, "bbox"),
    ],
)
def test_an_output_with_a_wrong_region_is_invalid(changes: dict[str, Any], complaint: str) -> None:
    broken = output()
    broken["regions"][1] |= changes

    with pytest.raises(ValidationError, match=complaint):
        OcrPage.model_validate(broken)


@pytest.mark.parametrize("text", ["XXX", "None.", "...", "Null", "There is much to do: TODO"])
def test_words_that_books_print_are_no_placeholders(text: str) -> None:
    result = output()
    del result["regions"][1]["lines"]
    result["regions"][1]["text"] = text

    assert OcrPage.model_validate(result).regions[1].text == text


def test_a_page_that_may_be_unreadable_is_blank_only_where_nothing_is_on_it() -> None:
    inked = Image.new("L", (1000, 1400), 235)
    ImageDraw.Draw(inked).rectangle((100, 100, 200, 104), fill=0)
    too_coarse = "rendered at 32 dpi only; split it"
    with pytest.raises(PageError, match="no text found on the page: rendered at 32 dpi only; split it") as caught:
        OcrStage(engine=ListEngine([])).run(7, OnePage(inked, too_coarse))
    assert caught.value.kind == "unreadable_page"
    assert OcrStage(engine=ListEngine([])).run(7, OnePage(None, too_coarse)).blank


def test_a_page_that_may_be_unreadable_and_of_which_something_was_read_is_doubtful() -> None:
    page = OcrStage(engine=ListEngine(paragraph())).run(7, OnePage(None, "rendered at 32 dpi only; split it"))
    doubt = page.doubtful[-1]
    assert (doubt.kind, doubt.message) == ("unreadable_size", "rendered at 32 dpi only; split it")
