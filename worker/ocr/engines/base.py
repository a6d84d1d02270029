"""What an OCR engine is: a page image in, lines of text with their places out.

An engine is cheap to make and heavy to load. Once loaded it may be used from several threads. It never
fetches anything: what it needs is installed beforehand, or `load` says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from worker.ocr.boxes import Box

if TYPE_CHECKING:
    # Commands that look at no picture do without it.
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text, or a piece of one, as an engine read it.

    Attributes:
        text: as printed, hyphens at line ends included; empty for a line of print in which the engine could read
            nothing, because it knows no such script or is not sure enough.
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
