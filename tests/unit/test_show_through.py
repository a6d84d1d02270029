"""Print of the other side of the leaf that shows through a blank page is not its text."""

from PIL import Image, ImageDraw

from sample.one_page import OnePage
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrPage, OcrStage
from worker.stages.options import OcrOptions

PAGE = (1000, 1400)
PAPER = 235
AS_SCANNED = OcrOptions(ocr_rotate="off", ocr_deskew="off", ocr_crop="off")


def printed(brightness: float) -> Image.Image:
    """A page with bars in the place of words, as bright as this share of the paper; left of the middle only."""
    page = Image.new("L", PAGE, PAPER)
    pen = ImageDraw.Draw(page)
    for y in range(300, 700, 40):
        for x in range(100, 450, 50):
            pen.rectangle((x, y, x + 40, y + 20), fill=round(brightness * PAPER))
    return page


class OneSidedEngine(Engine):
    """Finds lines on both sides of a page, and is surer of them on a mirrored one, or less sure."""

    name = "list"
    package = "none"
    languages = "none"
    version = "list 1"

    def __init__(self, confidence: float, mirrored: float) -> None:
        super().__init__(OcrOptions())
        self.confidence, self.mirrored = confidence, mirrored
        self.asked = 0

    def load(self) -> None:
        """Nothing is to be loaded."""

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        self.asked += 1
        is_mirrored = image.getpixel((120, 310)) == PAPER
        confidence = self.mirrored if is_mirrored else self.confidence
        left = 550 if is_mirrored else 100
        return [OcrLine("some letters", confidence, Box(left, y, 350, 20)) for y in range(300, 700, 40)]


def read(engine: Engine, image: Image.Image) -> OcrPage:
    return OcrStage(AS_SCANNED, engine=engine).run(1, OnePage(PageImage(image, dpi=300.0)))


def test_a_page_on_which_only_mirrored_print_shows_through_is_blank() -> None:
    page = read(OneSidedEngine(0.65, mirrored=0.95), printed(0.8))

    assert page.blank
    assert not page.doubtful


def test_a_faded_page_that_is_read_no_better_mirrored_keeps_its_text() -> None:
    page = read(OneSidedEngine(0.65, mirrored=0.5), printed(0.8))

    assert not page.blank


def test_a_mirrored_page_in_black_ink_keeps_its_text() -> None:
    assert not read(OneSidedEngine(0.65, mirrored=0.95), printed(0.2)).blank


def test_a_page_that_is_read_well_is_read_once() -> None:
    engine = OneSidedEngine(0.98, mirrored=0.99)
    read(engine, printed(0.8))

    assert engine.asked == 1
