"""Tesseract through tesserocr: the optional engine, for languages and typefaces that RapidOCR does not know.

The language data is not in its wheel; `worker.ocr.engines.tesseract_data` finds it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Baseline, Box, Polygon
from worker.ocr.engines.base import Engine, OcrLine, OcrWord
from worker.ocr.engines.languages import FRAKTUR, tesseract_names
from worker.ocr.engines.tesseract_data import data_installation, find_data, fraktur_data, installed_data, one_folder

if TYPE_CHECKING:
    from PIL.Image import Image

_INSTALL = "pip install 'leafmark[tesseract]'"


class Tesseract(Engine):
    """Tesseract for one or several languages, on one thread.

    Its library object is not made for threads, so calls from several threads wait for each other.
    """

    name = "tesseract"
    package = "tesserocr"
    languages = "more than 100 languages and scripts, Fraktur among them; `ocr_lang` names those of the page"

    # It gives 0.59 or more where it reads, 0.45 or less where it guesses.
    minimum_confidence = 0.5

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._api: Any = None
        self._one_at_a_time = threading.RLock()

    @classmethod
    def reads(cls, languages: Sequence[str], typeface: str) -> bool:  # noqa: ARG003  # it has data for all
        """Return true: it reads everything that it has data for, and names what is missing."""
        return True

    @cached_property
    def lang(self) -> str:
        """Tesseract's names of the languages on the page, joined by `+`: `eng`, `deu+eng`.

        For Fraktur it is the data that is installed, because books that were read with other data are stale.

        Raises:
            SettingsError: no data for Fraktur is installed.
        """
        names = tesseract_names(self.options.ocr_lang, self.options.ocr_typeface)
        return "+".join(fraktur_data() if name == FRAKTUR else name for name in names)

    @property
    def language_names(self) -> str:
        """Tesseract's names of the languages."""
        return self.lang

    @property
    def version(self) -> str:
        """The version of the Tesseract library, and the languages."""
        return f"{_tesserocr().tesseract_version().splitlines()[0].strip()}, {self.lang}"

    def check_installed(self) -> None:
        """Check that the library and the language data are there."""
        super().check_installed()
        find_data(self.lang)

    @property
    def installation(self) -> str:
        """How to install the library and the language data."""
        names = tesseract_names(self.options.ocr_lang, self.options.ocr_typeface)
        return f"{_INSTALL}, and the language data: {data_installation(names)}"

    @classmethod
    def languages_installed(cls) -> list[str]:
        """Return Tesseract's names of the data files that are here."""
        return installed_data() if cls.is_installed() else []

    def load(self) -> None:
        """Load the library and the language data."""
        with self._one_at_a_time:
            if self._api is not None:
                return
            tesserocr = _tesserocr()
            files = find_data(self.lang)
            lang = "+".join(file.name for file in files)
            try:
                with one_folder(files) as folder:
                    self._api = tesserocr.PyTessBaseAPI(path=str(folder), lang=lang, psm=tesserocr.PSM.AUTO)
            except RuntimeError as error:
                places = " and ".join(dict.fromkeys(str(file.folder) for file in files))
                raise SettingsError(
                    f"Tesseract cannot load the language data {self.lang!r} in {places}; reinstall it"
                ) from error
            self._api.SetVariable("debug_file", os.devnull)  # otherwise it writes remarks on each page to stderr

    def recognise(self, image: Image) -> list[OcrLine]:
        """Return the lines of a page; an empty list for a page without text."""
        with self._one_at_a_time:
            self.load()
            return self._lines(image)

    def _lines(self, image: Image) -> list[OcrLine]:
        tesserocr = _tesserocr()
        level = tesserocr.RIL.TEXTLINE
        self._api.SetImage(image.convert("RGB"))
        self._api.Recognize()
        found = self._api.GetIterator()
        lines = []
        while found is not None:
            if not found.Empty(level) and (text := found.GetUTF8Text(level).strip()):
                lines.append(_line(found, text, tesserocr.RIL))
            if not found.Next(level):
                break
        self._api.Clear()
        return lines


def _line(found: Any, text: str, levels: Any) -> OcrLine:
    """Return the line at which Tesseract's iterator stands, and move it to the line's last word.

    Tesseract adds marks of direction to the text of a line, so the texts of its words are taken from it.
    """
    level = levels.TEXTLINE
    confidence = _share(found.Confidence(level))
    box, baseline = Box.from_corners(*found.BoundingBox(level)), found.Baseline(level)
    places = list(_words(found, levels.WORD, level))
    texts = text.split()
    words = [OcrWord(each, *place) for each, place in zip(texts, places, strict=False)]
    return OcrLine(
        text,
        confidence,
        box,
        tuple(words) if len(texts) == len(places) else (),
        baseline and _outline(box, baseline),
        baseline,
    )


def _words(found: Any, word: Any, line: Any) -> Iterator[tuple[float, Box]]:
    """Yield confidence and box of each word of a line, and move the iterator to the last one."""
    while True:
        if not found.Empty(word):
            yield _share(found.Confidence(word)), Box.from_corners(*found.BoundingBox(word))
        if found.IsAtFinalElement(line, word) or not found.Next(word):
            return


def _outline(box: Box, baseline: Baseline) -> Polygon:
    """Return the corners of a line with the slope of its baseline, which touch all sides of its box."""
    (left, at_left), (right, at_right) = baseline
    rise = round((at_right - at_left) / max(1, right - left) * box.width)
    if abs(rise) >= box.height:
        return box.corners  # a line that runs upwards or downwards
    down, up = max(rise, 0), max(-rise, 0)
    return (
        (box.x, box.y + up),
        (box.right, box.y + down),
        (box.right, box.bottom - up),
        (box.x, box.bottom - down),
    )


def _share(percent: float) -> float:
    return min(max(percent / 100, 0.0), 1.0)


def _tesserocr() -> Any:
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # read when the library loads; one thread a process
    try:
        import tesserocr  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(f"the engine tesseract is not installed ({error})", hint=f"run: {_INSTALL}") from error
    return tesserocr
