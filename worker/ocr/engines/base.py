"""What an OCR engine is: a page image in, lines of text with their places out.

An engine is cheap to make and heavy to load. Once loaded it may be used from several threads. It never
fetches anything: what it needs is installed beforehand, or `load` says what is missing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from worker.ocr.boxes import Box
from worker.plugins import Options

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


class Engine(ABC):
    """Reads the text of a page.

    Args:
        options: the settings, which have all fields of `Options`.
    """

    name: ClassVar[str]
    """The value of the setting `ocr_engine` that selects it: `rapidocr`."""
    package: ClassVar[str]
    """The package that it needs, by its name on the package index."""
    languages: ClassVar[str]
    """What it reads, in words."""
    device: ClassVar[str] = "cpu"
    """What it computes on."""
    takes_language: ClassVar[bool] = True
    """Whether the setting `ocr_lang` has an effect."""
    Options: ClassVar[type[Options]] = Options
    """Settings of its own. The name of each begins with the name of the engine."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine and its models with their versions, for the record in each output.

        Raises:
            SettingsError: it is not installed.
        """

    @abstractmethod
    def load(self) -> None:
        """Load libraries and models; does nothing the second time.

        Raises:
            SettingsError: something is not installed; the message says what to install.
        """

    @abstractmethod
    def recognise(self, image: Image) -> list[OcrLine]:
        """Return the lines of a page image of any mode that PIL converts to RGB, in any order.

        Raises:
            SettingsError: the engine was not loaded before, and cannot be loaded.
        """
