"""Programs that read a folder of page images, each from its start to its end: Leafmark and others beside it.

Each takes a `Book` and returns the texts of its pages. OCRmyPDF is installed into an environment of its own below
`build/`, if `LEAFMARK_OCRMYPDF` does not name the folder of another one.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report import note
from producer.evaluate.readings import text_of

OCRMYPDF_VARIABLE = "LEAFMARK_OCRMYPDF"
EARLIER_VARIABLE = "LEAFMARK_EARLIER"
"""Names a checkout of an earlier version, whose engine is measured too."""
PROCESSES = 2
LEAFMARK = f"Leafmark with {PROCESSES} workers, rapidocr"
ENGINE = "rapidocr alone in one process"
EARLIER_ENGINE = "rapidocr alone of the earlier version"
OCRMYPDF = f"ocrmypdf -j {PROCESSES}"
_PROJECT = Path(__file__).parents[1]
_OCRMYPDF_HERE = _PROJECT / "build" / "ocrmypdf"
_OCRMYPDF_VERSION = "17.13.0"
_INSTALL_TESSERACT = (
    "apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-frk tesseract-ocr-script-frak ghostscript"
)
_SCAN_ID = "book"


@dataclass(frozen=True, slots=True)
class Book:
    """Page images in files.

    Attributes:
        folder: with `page_0001.png` and so on, and nothing else.
        pdf: the same pictures without loss, for OCRmyPDF; made by `write_pdf`.
    """

    folder: Path
    pdf: Path

    @property
    def images(self) -> list[Path]:
        """The files, in the order of the pages."""
        return sorted(self.folder.iterdir())


@dataclass(frozen=True, slots=True)
class Reading:
    """What a program has read.

    Attributes:
        texts: of the pages.
        page_cpu_seconds: of single pages; empty if not known. The first of each of Leafmark's workers includes the
            loading of the engine.
        has_order: whether the lines are in reading order.
        peak_bytes: of the process that read; 0 if not known.
    """

    texts: Sequence[str]
    page_cpu_seconds: Sequence[float] = ()
    has_order: bool = True
    peak_bytes: int = 0


@dataclass(slots=True)
class Measured:
    """A reading with what the program took, with all processes that it started and waited for."""

    reading: Reading
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A program under a name."""

    name: str
    read: Callable[[Book], Reading] = field(repr=False)

    def measure(self, book: Book) -> Measured:
        """Read a book."""
        before, started = _cpu_seconds_of_children(), time.monotonic()
        reading = self.read(book)
        return Measured(reading, time.monotonic() - started, _cpu_seconds_of_children() - before)


def readers(languages: Sequence[str]) -> list[Reader]:
    """Return the programs that are here; says which are not, and what to install.

    Args:
        languages: of the book, by the names of Tesseract's data files. Tesseract runs with each that is installed.
    """
    found = [Reader(LEAFMARK, lambda book: leafmark(book, "rapidocr")), *engines()]
    if shutil.which("tesseract") is None:
        note(f"Without Tesseract and OCRmyPDF; to install what they need: {_INSTALL_TESSERACT}")
        return found
    installed = _output_of(["tesseract", "--list-langs"]).split()
    for language in languages:
        # Debian has the data of whole scripts beside those of the languages, not in a folder `script`.
        names = [name for name in (language, language.removeprefix("script/")) if name in installed]
        if names:
            found += _with_tesseract(names[0])
        else:
            note(f"Without Tesseract's data {language}; to install it: {_INSTALL_TESSERACT}")
    return found


def engines() -> list[Reader]:
    """Return RapidOCR alone, and that of an earlier version if `LEAFMARK_EARLIER` names one."""
    found = [Reader(ENGINE, lambda book: _engine_alone(book, _PROJECT))]
    if earlier := os.environ.get(EARLIER_VARIABLE):
        found.append(Reader(EARLIER_ENGINE, lambda book: _engine_alone(book, Path(earlier))))
    return found


def write_pdf(book: Book) -> None:
    """Make the PDF of a book."""
    _run([_ocrmypdf("img2pdf"), *book.images, "-o", book.pdf])


def leafmark(book: Book, engine: str, language: str | None = None) -> Reading:
    """Read a book with `producer run`, with a storage root of its own."""
    with tempfile.TemporaryDirectory() as root:
        chosen = ["--engine", engine, *(["--lang", language] if language else [])]
        _run([*leafmark_command(book.folder), *chosen], leafmark_environment(root))
        outputs = [json.loads(path.read_bytes()) for path in sorted((Path(root) / _SCAN_ID / "ocr").glob("*.json"))]
        checkpoint = json.loads((Path(root) / _SCAN_ID / "checkpoints" / "ocr.json").read_bytes())
    records = checkpoint["pages"].values()
    return Reading([text_of(output["regions"]) for output in outputs], [each["cpu_seconds"] for each in records])


def leafmark_command(folder: Path) -> list[str]:
    """Return the command that reads a folder of page images."""
    command = [sys.executable, "-m", "producer.cli", "run", str(folder), "--scan-id", _SCAN_ID]
    return [*command, "--workers", str(PROCESSES), "--allow-doubtful"]


def leafmark_environment(root: str) -> dict[str, str]:
    """Return the environment for a Leafmark with its own storage root and no other settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("LEAFMARK_")}
    return {**others, "LEAFMARK_CONFIG": "", "LEAFMARK_STORAGE_ROOT": root}


def has_tesseract() -> bool:
    """Return whether OCRmyPDF can be run; installs it where Tesseract is there and it is not."""
    if shutil.which("tesseract") is None:
        note(f"Without Tesseract and OCRmyPDF; to install what they need: {_INSTALL_TESSERACT}")
        return False
    _ocrmypdf("ocrmypdf")
    return True


def read_picture_by_ocrmypdf(image: Image.Image, dpi: float, language: str, options: Sequence[str]) -> str:
    """Return the text that OCRmyPDF finds on one picture, in one process and with more options."""
    with tempfile.TemporaryDirectory() as name:
        picture, sidecar = Path(name) / "page.png", Path(name) / "text"
        image.save(picture, dpi=(dpi, dpi), compress_level=1)
        # Neither PDF/A nor smaller pictures change the text, and both cost time.
        chosen = ["-j", 1, "-l", language, "--output-type", "pdf", "--optimize", 0, *options, "--sidecar", sidecar]
        _run([_ocrmypdf("ocrmypdf"), *chosen, picture, Path(name) / "out.pdf"])
        return sidecar.read_text(encoding="utf-8").replace("\f", "\n")


def _with_tesseract(language: str) -> list[Reader]:
    return [
        Reader(
            f"Leafmark with {PROCESSES} workers, tesseract {language}",
            lambda book: leafmark(book, "tesseract", language),
        ),
        Reader(f"{OCRMYPDF}, {language}", lambda book: _read_by_ocrmypdf(book, language)),
        Reader(f"plain tesseract, {language}", lambda book: _read_by_tesseract(book, language)),
    ]


def _engine_alone(book: Book, checkout: Path) -> Reading:
    # -P: this folder has modules whose names others may have too.
    command = [sys.executable, "-P", Path(__file__).parent / "engine_alone.py", book.folder]
    read = json.loads(_output_of(command, {**os.environ, "PYTHONPATH": str(checkout)}))
    return Reading(read["texts"], read["cpu_seconds"], has_order=False, peak_bytes=read["peak_bytes"])


def _read_by_ocrmypdf(book: Book, language: str) -> Reading:
    with tempfile.TemporaryDirectory() as name:
        sidecar = Path(name) / "text"
        options = ["-j", PROCESSES, "-l", language, "--sidecar", sidecar]
        _run([_ocrmypdf("ocrmypdf"), *options, book.pdf, Path(name) / "out.pdf"])
        texts = sidecar.read_text(encoding="utf-8").split("\f")
    return Reading(texts[: len(book.images)])


def _read_by_tesseract(book: Book, language: str) -> Reading:
    # One thread, as OCRmyPDF sets it too: with more, Tesseract's threads wait for each other in a loop.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    options = ["stdout", "-l", language]
    return Reading([_output_of(["tesseract", image, *options], environment) for image in book.images])


def _ocrmypdf(program: str) -> Path:
    """Return a program of OCRmyPDF's environment, which is made if it is not there."""
    if named := os.environ.get(OCRMYPDF_VARIABLE):
        return Path(named) / "bin" / program
    if not (_OCRMYPDF_HERE / "bin" / "ocrmypdf").exists():
        note(f"Installing OCRmyPDF {_OCRMYPDF_VERSION} into {_OCRMYPDF_HERE}")
        _run([sys.executable, "-m", "venv", _OCRMYPDF_HERE])
        _run([_OCRMYPDF_HERE / "bin" / "pip", "install", "--quiet", f"ocrmypdf=={_OCRMYPDF_VERSION}"])
    return _OCRMYPDF_HERE / "bin" / program


def _run(command: Sequence[Any], environment: dict[str, str] | None = None) -> None:
    _output_of(command, environment)


def _output_of(command: Sequence[Any], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, env=environment, cwd=_PROJECT
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
