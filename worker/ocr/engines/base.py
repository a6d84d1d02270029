"""The base class of OCR engines: a page image in, lines of text with their words and places out.

An engine is cheap to make and heavy to load. Once loaded, several threads can use it. It downloads nothing: `load`
raises an error that names what is not installed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from checkpointing.errors import SettingsError
from worker.launch.package_versions import UNKNOWN, package_version
from worker.ocr.boxes import Baseline, Box, Polygon
from worker.plugins import Options

if TYPE_CHECKING:
    # Commands that need no image do not import it.
    from PIL.Image import Image


Device = Literal["cpu", "cuda", "auto"]
"""A value of the setting `ocr_device`."""


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A word of a line, or in scripts without spaces all of the line.

    Attributes:
        text: without spaces.
        confidence: the engine's own, from 0 to 1.
        bbox: upright box around its ink, in pixels of the page image.
    """

    text: str
    confidence: float
    bbox: Box


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text, or a piece of one, as an engine read it.

    Attributes:
        text: as printed, with hyphens at line ends; empty for a line of print whose script the engine does not
            know, or of which it is not sure enough.
        confidence: the engine's own, from 0 to 1.
        bbox: upright box around it, in pixels of the page image.
        words: in the order of the text, which is theirs at its spaces; empty if the engine does not give them.
        polygon: its corners; None if they are those of `bbox`.
        baseline: what its letters stand on; None if the engine does not give it.
    """

    text: str
    confidence: float
    bbox: Box
    words: tuple[OcrWord, ...] = ()
    polygon: Polygon | None = None
    baseline: Baseline | None = None

    @property
    def outline(self) -> Polygon:
        """Its corners, clockwise from the top left of the line as it is read."""
        return self.polygon or self.bbox.corners


class Engine(ABC):
    """Reads the text of a page.

    Args:
        options: the settings, which have all fields of `Options`.

    Raises:
        SettingsError: from all methods: something is not installed; the message says what to install.
    """

    name: ClassVar[str]
    """The value of the setting `ocr_engine` that selects it: `rapidocr`."""
    package: ClassVar[str]
    """The package that it needs, by its name on the package index, or the program."""
    languages: ClassVar[str]
    """What it reads, in words."""
    device: ClassVar[str] = "cpu"
    """What it can compute on. An engine that has a choice follows the setting `ocr_device`."""
    gives_words: ClassVar[bool] = True
    """Whether its lines have their words, with a box for each."""
    takes_language: ClassVar[bool] = True
    """Whether the settings `ocr_lang` and `ocr_typeface` have an effect."""
    everywhere: ClassVar[bool] = False
    """Whether every installation of Leafmark can load it. Pages for other engines go to workers that have them."""
    minimum_confidence: ClassVar[float] = 0.78
    """Mean confidence over the characters of a page, below which the page is doubtful. With RapidOCR, pages that
    are read well have 0.85 or more, upside-down pages 0.72 or less."""
    Options: ClassVar[type[Options]] = Options
    """Settings of its own. The name of each begins with the name of the engine."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def reads(cls, languages: Sequence[str], typeface: str) -> bool:  # noqa: ARG003  # for engines that declare it
        """Return whether it reads pages in all these languages well, so that `ocr_engine=auto` may choose it.

        The answer is the same on every machine: it does not depend on what is installed.

        Args:
            languages: BCP 47 tags, or names of Tesseract's data files that are not a language.
            typeface: `antiqua` or `fraktur`.
        """
        return False

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine and its models with their versions, for the record in each output."""

    @property
    def language_names(self) -> str:
        """Its own names of the languages on the page; empty for an engine that ignores them.

        Raises:
            SettingsError: they depend on what is installed, and nothing is.
        """
        return ""

    @property
    def recipe(self) -> str:
        """What of the version decides on the text: a page that was read with another recipe is stale."""
        return self.version

    def check_installed(self) -> None:
        """Check that it could be loaded here, with the languages of the options. Loads nothing.

        Raises:
            SettingsError: something is not installed; the message says what to install.
        """
        if not self.is_installed():
            raise SettingsError(f"the engine {self.name} is not installed", hint=f"run: {self.installation}")

    @classmethod
    def is_installed(cls) -> bool:
        """Return whether the package is installed."""
        return package_version(cls.package) != UNKNOWN

    @property
    def installation(self) -> str:
        """How to install it, with the languages of the options: a command, or two."""
        return f"pip install {self.package}"

    @classmethod
    def languages_installed(cls) -> list[str]:
        """Return the languages that it could read here, by the names that `ocr_lang` takes, sorted.

        Empty for an engine that ignores the language, and where it is not installed.
        """
        return []

    @property
    def device_in_use(self) -> str:
        """What it computes on in this process; valid once it is loaded."""
        return self.device

    @abstractmethod
    def load(self) -> None:
        """Load libraries and models; does nothing the second time."""

    @abstractmethod
    def recognise(self, image: Image) -> list[OcrLine]:
        """Return the lines of a page image of any mode that PIL converts to RGB, in any order."""
