"""What an OCR engine is: a page image in, lines of text with their places out.

An engine is cheap to make and heavy to load. Once loaded it may be used from several threads. It never
fetches anything: what it needs is installed beforehand, or `load` says what is missing.
"""

from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from checkpointing.errors import SettingsError
from worker.boxes import Box


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text, or a piece of one, as an engine read it.

    Attributes:
        text: as printed, hyphens at line ends included.
        confidence: the engine's own, from 0 to 1.
        bbox: upright box around it, in pixels of the page image.
    """

    text: str
    confidence: float
    bbox: Box


class OcrEngine(Protocol):
    """Reads the text of a page."""

    @property
    def name(self) -> str:
        """What the settings call it: `rapidocr`."""
        ...

    @property
    def version(self) -> str:
        """The engine and its models with their versions, for the record in each output."""
        ...

    def load(self) -> None:
        """Load libraries and models; does nothing the second time.

        Raises:
            SettingsError: something is not installed; the message says what to install.
        """
        ...

    def recognise(self, image: Image) -> list[OcrLine]:
        """Read a page, in any mode that PIL converts to RGB. The order of the lines carries no meaning.

        Raises:
            SettingsError: the engine was not loaded before, and cannot be.
        """
        ...


def make_engine(name: str, lang: str) -> OcrEngine:
    """Make an engine by its name, without loading it.

    Args:
        name: `rapidocr` or `tesseract`.
        lang: Tesseract's names of the languages, joined by `+`. RapidOCR reads all of its own at once and
            takes no notice.

    Raises:
        SettingsError: there is no engine of that name.
    """
    match name:
        case "rapidocr":
            from worker.engines.rapid import RapidOcr  # noqa: PLC0415 - engines import this module

            return RapidOcr()
        case "tesseract":
            from worker.engines.tesseract import Tesseract  # noqa: PLC0415 - the same

            return Tesseract(lang)
        case _:
            raise SettingsError(f"there is no OCR engine {name!r}; choose rapidocr or tesseract")
