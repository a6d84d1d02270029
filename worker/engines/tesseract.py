"""Tesseract through tesserocr: the optional engine, for languages and typefaces that RapidOCR does not know.

The language data is not in the wheel. It is looked for in `TESSDATA_PREFIX` where that is set, and otherwise
where the usual package managers put it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointing.errors import SettingsError
from worker.boxes import Box
from worker.engines.base import OcrLine

if TYPE_CHECKING:
    from PIL.Image import Image

_DATA_FOLDERS = (
    Path("/usr/share/tesseract-ocr/5/tessdata"),  # Debian, Ubuntu
    Path("/usr/share/tesseract/tessdata"),  # Fedora
    Path("/usr/share/tessdata"),  # Arch, Alpine
    Path("/opt/homebrew/share/tessdata"),  # macOS
    Path("/usr/local/share/tessdata"),  # built from source
)


class Tesseract:
    """Tesseract for one language or several, on one thread.

    Its library object is not made for threads, so calls from several threads wait for each other.

    Attributes:
        lang: Tesseract's names of the languages on the page, joined by `+`: `eng`, `deu+eng`.
    """

    name = "tesseract"

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._api: Any = None
        self._one_at_a_time = threading.Lock()

    @property
    def version(self) -> str:
        """Version of the Tesseract library, and the languages.

        Raises:
            SettingsError: tesserocr is not installed.
        """
        return f"{_tesserocr().tesseract_version().splitlines()[0].strip()}, {self.lang}"

    def load(self) -> None:
        """Load the library and the language data.

        Raises:
            SettingsError: tesserocr or the data of a language is not installed.
        """
        with self._one_at_a_time:
            self._load()

    def recognise(self, image: Image) -> list[OcrLine]:
        """Read a page; an empty list where nothing on it is text."""
        with self._one_at_a_time:
            self._load()
            return self._lines(image)

    def _load(self) -> None:
        if self._api is not None:
            return
        tesserocr = _tesserocr()
        folder = _data_folder(self.lang)
        try:
            self._api = tesserocr.PyTessBaseAPI(path=str(folder), lang=self.lang, psm=tesserocr.PSM.AUTO)
        except RuntimeError as error:
            raise SettingsError(
                f"Tesseract cannot load the language data {self.lang!r} in {folder}; install it anew"
            ) from error
        self._api.SetVariable("debug_file", os.devnull)  # else it remarks on each page to stderr

    def _lines(self, image: Image) -> list[OcrLine]:
        level = _tesserocr().RIL.TEXTLINE
        self._api.SetImage(image.convert("RGB"))
        self._api.Recognize()
        found = self._api.GetIterator()
        lines = []
        while found is not None:
            if not found.Empty(level) and (text := found.GetUTF8Text(level).strip()):
                confidence = min(max(found.Confidence(level) / 100, 0.0), 1.0)
                lines.append(OcrLine(text, confidence, Box.from_corners(*found.BoundingBox(level))))
            if not found.Next(level):
                break
        self._api.Clear()
        return lines


def _tesserocr() -> Any:
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # read when the library loads; processes do the scaling
    try:
        import tesserocr  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(
            f"the engine tesseract is not installed ({error}); run: pip install 'leafmark[tesseract]'"
        ) from error
    return tesserocr


def _data_folder(lang: str) -> Path:
    """The first folder that has the data of every language in `lang`."""
    prefix = os.environ.get("TESSDATA_PREFIX")
    folders = (Path(prefix), Path(prefix) / "tessdata") if prefix else _DATA_FOLDERS
    languages = lang.split("+")
    for folder in folders:
        if all((folder / f"{language}.traineddata").is_file() for language in languages):
            return folder
    packages = " ".join(f"tesseract-ocr-{language.replace('_', '-')}" for language in languages)
    raise SettingsError(
        f"Tesseract has no data for the language {lang!r}; install it (Debian: apt-get install {packages})"
        " or set TESSDATA_PREFIX to the folder that holds its .traineddata file"
    )
