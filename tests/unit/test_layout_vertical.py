"""Lines that run up or down the page, from boxes alone: level lines are 20 pixels high, 26 apart."""

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.regions import arrange

PAGE = (1000, 1400)


def level(count: int) -> list[OcrLine]:
    return [OcrLine(f"line {row}", 0.9, Box(100, 300 + 26 * row, 700, 20)) for row in range(count)]


def running(text: str, x: int, *, upwards: bool = False) -> OcrLine:
    """A line beside the level ones, with its corners as they are read."""
    box = Box(x, 320, 20, 300)
    top_left, top_right, bottom_right, bottom_left = box.corners
    read = (bottom_left, top_left, top_right, bottom_right)
    return OcrLine(text, 0.9, box, polygon=read if upwards else (top_right, bottom_right, bottom_left, top_left))


def found(lines: list[OcrLine]) -> list[tuple[str, str]]:
    return [(str(region.type), region.text) for region in arrange(lines, [], PAGE)]


def test_a_line_that_runs_up_beside_the_text_is_a_region_after_it() -> None:
    regions = found([running("OF THE LIBRARY", 850, upwards=True), *level(20)])

    assert [kind for kind, _ in regions] == ["body", "vertical"]
    assert regions[1] == ("vertical", "OF THE LIBRARY")
    assert "LIBRARY" not in regions[0][1]


def test_columns_of_vertical_writing_are_read_from_right_to_left() -> None:
    columns = [running(text, x) for text, x in (("third", 400), ("first", 460), ("second", 430))]

    assert found(columns) == [("vertical", "first\nsecond\nthird")]


def test_lines_that_run_upwards_are_read_from_left_to_right() -> None:
    lines = [running(text, x, upwards=True) for text, x in (("second", 430), ("first", 400))]

    assert found(lines) == [("vertical", "first\nsecond")]


def test_lines_apart_are_regions_of_their_own() -> None:
    assert [text for _, text in found([running("one", 100), running("two", 800)])] == ["one", "two"]
