"""An engine that knows what is printed: what arranges its lines is measured alone, on many pages in little time."""

from typing import Any, ClassVar

from PIL import Image

from sample.truth_pages import TrueLine, TruePage
from worker.ocr.boxes import Polygon
from worker.ocr.engines.base import Engine, OcrLine, OcrWord


class PrintedLines(Engine):
    """Gives the lines of a generated page as they are printed; of a flat page, which does not curl.

    Attributes:
        page: the page whose picture is read next.
    """

    name: ClassVar[str] = "printed"
    package: ClassVar[str] = "pillow"
    languages: ClassVar[str] = "all that generated pages are in"

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.page: TruePage | None = None

    @property
    def version(self) -> str:
        """There is only one."""
        return "printed 1"

    def load(self) -> None:
        """Load nothing."""

    def recognise(self, _image: Image.Image) -> list[OcrLine]:
        """Return the lines of the page.

        Raises:
            ValueError: there is no page, or it curls.
        """
        if self.page is None or self.page.truth.geometry.curl_pixels:
            raise ValueError("the lines of flat pages only are known")
        return [_as_read(line) for line in self.page.truth.lines]


def _as_read(line: TrueLine) -> OcrLine:
    words = tuple(OcrWord(word.text, 1.0, word.box) for word in line.words)
    return OcrLine(line.text, 1.0, line.box, words, _rounded(line.polygon), _rounded(line.baseline))


def _rounded(points: Polygon) -> Any:
    return tuple((round(x), round(y)) for x, y in points)
