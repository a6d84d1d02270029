"""The inputs of the OCR stage for a book of one picture."""

from PIL import Image

from worker.pages.sources.base import PageImage


class OnePage:
    """A book of one page. OCR asks for no output of another stage.

    Args:
        image: its source image, of 300 dpi.
    """

    total_pages = 1

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    def image(self, _page: int) -> PageImage:
        return PageImage(self._image, dpi=300.0)

    def languages(self, _page: int) -> tuple[str, ...]:
        return ()

    def output(self, stage: str, page: int) -> dict[str, object]:
        raise AssertionError(f"OCR needs no output of {stage} for page {page}")
