"""Tesseract through tesserocr: the optional engine, for languages and typefaces that RapidOCR does not know.

The language data is not in the wheel. It is searched for in `TESSDATA_PREFIX` if that is set, and otherwise where
the usual package managers install it.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine

if TYPE_CHECKING:
    from PIL.Image import Image

_DATA_FOLDERS = (
    Path("/usr/share/tesseract-ocr/5/tessdata"),  # Debian, Ubuntu
    Path("/usr/share/tesseract/tessdata"),  # Fedora
    Path("/usr/share/tessdata"),  # Arch, Alpine
    Path("/opt/homebrew/share/tessdata"),  # macOS
    Path("/usr/local/share/tessdata"),  # built from source
)
_SCRIPT_CODES = {
    "Arabic": "arab",
    "Armenian": "armn",
    "Bengali": "beng",
    "Canadian_Aboriginal": "cans",
    "Cherokee": "cher",
    "Cyrillic": "cyrl",
    "Devanagari": "deva",
    "Ethiopic": "ethi",
    "Fraktur": "frak",
    "Georgian": "geor",
    "Greek": "grek",
    "Gujarati": "gujr",
    "Gurmukhi": "guru",
    "HanS": "hans",
    "HanT": "hant",
    "Hangul": "hang",
    "Hebrew": "hebr",
    "Japanese": "jpan",
    "Kannada": "knda",
    "Khmer": "khmr",
    "Lao": "laoo",
    "Latin": "latn",
    "Malayalam": "mlym",
    "Myanmar": "mymr",
    "Oriya": "orya",
    "Sinhala": "sinh",
    "Syriac": "syrc",
    "Tamil": "taml",
    "Telugu": "telu",
    "Thaana": "thaa",
    "Thai": "thai",
    "Tibetan": "tibt",
    "Vietnamese": "viet",
}
"""Names in Debian's packages of the scripts whose data files are in Tesseract's folder `script`."""


class Tesseract(Engine):
    """Tesseract for one or several languages, on one thread.

    Its library object is not made for threads, so calls from several threads wait for each other.

    Attributes:
        lang: Tesseract's names of the languages on the page, joined by `+`: `eng`, `deu+eng`.
    """

    name = "tesseract"
    package = "tesserocr"
    languages = "more than 100 languages and scripts, Fraktur among them; `ocr_lang` names those of the page"

    # It gives 0.59 or more where it reads, 0.45 or less where it guesses.
    minimum_confidence = 0.5

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.lang: str = options.ocr_lang
        self._api: Any = None
        self._one_at_a_time = threading.RLock()

    @property
    def version(self) -> str:
        """The version of the Tesseract library, and the languages."""
        return f"{_tesserocr().tesseract_version().splitlines()[0].strip()}, {self.lang}"

    def load(self) -> None:
        """Load the library and the language data."""
        with self._one_at_a_time:
            if self._api is not None:
                return
            tesserocr = _tesserocr()
            folder, lang = _find_data(self.lang)
            try:
                self._api = tesserocr.PyTessBaseAPI(path=str(folder), lang=lang, psm=tesserocr.PSM.AUTO)
            except RuntimeError as error:
                raise SettingsError(
                    f"Tesseract cannot load the language data {self.lang!r} in {folder}; reinstall it"
                ) from error
            self._api.SetVariable("debug_file", os.devnull)  # otherwise it writes remarks on each page to stderr

    def recognise(self, image: Image) -> list[OcrLine]:
        """Return the lines of a page; an empty list for a page without text."""
        with self._one_at_a_time:
            self.load()
            return self._lines(image)

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
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # read when the library loads; one thread a process
    try:
        import tesserocr  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(
            f"the engine tesseract is not installed ({error}); run: pip install 'leafmark[tesseract]'"
        ) from error
    return tesserocr


def _find_data(lang: str) -> tuple[Path, str]:
    """Return the first folder with the data of every language in `lang`, and the names of the languages there."""
    prefix = os.environ.get("TESSDATA_PREFIX")
    folders = [Path(prefix), Path(prefix) / "tessdata"] if prefix else list(_DATA_FOLDERS)
    languages = lang.split("+")
    missing: dict[Path, list[str]] = {}
    for folder in folders:
        names = {each: _name_in(folder, each) for each in languages}
        missing[folder] = [each for each, name in names.items() if not name]
        if not missing[folder]:
            return folder, "+".join(names[each] for each in languages)
    # The error is about the folder in which the fewest are missing.
    there = [folder for folder in folders if folder.is_dir()] or folders[:1]
    folder = min(there, key=lambda each: len(missing[each]))
    raise SettingsError(_what_is_missing(lang, missing[folder], folder))


def _name_in(folder: Path, language: str) -> str:
    """Return the name of a language in a folder of data; empty if it is not there.

    Tesseract has the data of whole scripts in a folder `script`, Debian beside the others; both names are accepted.
    """
    path, _, name = language.rpartition("/")
    other = name if path == "script" else f"script/{language}"
    names = [language, other] if path in {"", "script"} else [language]
    return next((each for each in names if _data_file(folder, each).is_file()), "")


def _data_file(folder: Path, language: str) -> Path:
    return folder / f"{language}.traineddata"


def _what_is_missing(lang: str, missing: list[str], folder: Path) -> str:
    """Return what is not installed, what to do, and what is installed, in one line."""
    named = " and ".join(repr(each) for each in missing)
    of = "" if missing == [lang] else f" (language {lang!r})"
    packages = " ".join(filter(None, map(_debian_package, missing)))
    debian = f" (Debian: apt-get install {packages})" if packages else ""
    files = ", ".join(_data_file(Path(), each).as_posix() for each in missing)
    data = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.traineddata"))
    installed = f"; installed are {', '.join(data)}" if data else ""
    return (
        f"Tesseract has no data for {named} in {folder}{of}; install it{debian}, put {files} there, "
        f"or set TESSDATA_PREFIX to the folder that holds it{installed}"
    )


def _debian_package(language: str) -> str:
    """Return Debian's package of a language's data; empty if Debian has none."""
    folder, _, name = language.rpartition("/")
    code = _SCRIPT_CODES.get(name.removesuffix("_vert"), "")
    if folder == "script" or (code and not folder):
        return code and f"tesseract-ocr-script-{code}{'-vert' if name.endswith('_vert') else ''}"
    is_code = re.fullmatch(r"[a-z]{3}(_[a-z]+)*", name) is not None and not folder
    return f"tesseract-ocr-{name.replace('_', '-')}" if is_code else ""
