"""An OCR engine for Leafmark that reads pages with the program `tesseract`."""

import io
import shutil
import subprocess
from itertools import groupby

from PIL import Image

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine, OcrWord

_WORD = "5"
"""The level of a row of Tesseract's table that is a word."""


class TesseractProgram(Engine):
    """Tesseract as a program of its own, a process for each page."""

    name = "tesseract_program"
    package = "tesseract"
    languages = "those of Tesseract's language data"
    device = "cpu"
    gives_words = True
    minimum_confidence = 0.5

    @classmethod
    def is_installed(cls) -> bool:
        """Return whether the program is there."""
        return shutil.which(cls.package) is not None

    @classmethod
    def languages_installed(cls) -> list[str]:
        """Return the languages that the program has data for."""
        return sorted(_output(cls.package, "--list-langs").splitlines()[1:]) if cls.is_installed() else []

    @property
    def installation(self) -> str:
        """How to install the program and the data of the languages."""
        packages = (f"tesseract-ocr-{language}" for language in self.options.ocr_lang.split("+"))
        return f"apt-get install tesseract-ocr {' '.join(packages)}"

    @property
    def version(self) -> str:
        """The version of the program, and the languages: pages that were read with others are stale."""
        return f"{_output(self.package, '--version').splitlines()[0]}, {self.options.ocr_lang}"

    def check_installed(self) -> None:
        """Check that the program has data for the languages of the book."""
        super().check_installed()
        missing = set(self.options.ocr_lang.split("+")).difference(self.languages_installed())
        if missing:
            raise SettingsError(f"tesseract has no data for {', '.join(missing)}", hint=f"run: {self.installation}")

    def load(self) -> None:
        """Check only: there is nothing to load."""
        self.check_installed()

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        """Return the lines of a page image."""
        png = io.BytesIO()
        image.save(png, "PNG")
        table = _output(self.package, "-", "-", "-l", self.options.ocr_lang, "tsv", given=png.getvalue())
        rows = [row.split("\t") for row in table.splitlines()[1:]]
        words = (row for row in rows if row[0] == _WORD and row[11].strip())
        # The same block, paragraph and line.
        return [_line(list(group)) for _, group in groupby(words, lambda row: row[2:5])]


def _line(rows: list[list[str]]) -> OcrLine:
    words = tuple(_word(row) for row in rows)
    boxes = [word.bbox for word in words]
    around = Box.from_corners(
        min(box.x for box in boxes),
        min(box.y for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )
    confidence = sum(word.confidence for word in words) / len(words)
    return OcrLine(" ".join(word.text for word in words), confidence, around, words)


def _word(row: list[str]) -> OcrWord:
    left, top, width, height = map(int, row[6:10])
    return OcrWord(row[11].strip(), float(row[10]) / 100, Box(left, top, width, height))


def _output(*command: str, given: bytes = b"") -> str:
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode()
