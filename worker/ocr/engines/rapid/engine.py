"""RapidOCR as an engine. Its wheel contains its models, and no others are used."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Box, Polygon
from worker.ocr.engines.base import Engine, OcrLine

if TYPE_CHECKING:
    from PIL import Image

    from worker.ocr.engines.rapid.detection import Detector
    from worker.ocr.engines.rapid.direction import DirectionClassifier
    from worker.ocr.engines.rapid.networks import Target
    from worker.ocr.engines.rapid.recognition import ReadLine, Recogniser

_REINSTALL = "reinstall it with: pip install --force-reinstall rapidocr onnxruntime"
_CHECK_GPU = "check its driver, or set LEAFMARK_OCR_DEVICE to auto or cpu"
_METHOD = "lines by size of print, bowed ones flattened"
"""How lines are found. A new one makes the pages that were read with the earlier one stale."""
_MIN_SCORE = 0.5
"""Minimum score of a line whose text is used; RapidOCR's own default."""

_LANGUAGES = "az ca da de en es et eu fi fr ga hr hu is it la mt nb nl nn no pl pt ro sl sq sv tr zh zh-Hans"


class _Reader(NamedTuple):
    """Both halves of the engine, loaded."""

    detector: Detector
    recogniser: Recogniser


class RapidOcr(Engine):
    """RapidOCR with one thread a process, so that worker processes scale with the cores.

    After `load` its state does not change, and several threads may call `recognise` at once.
    """

    name = "rapidocr"
    package = "rapidocr"
    languages = "Chinese, English and other languages in Latin letters, all at once"
    device = "cpu, cuda, gpu (by OpenVINO)"
    takes_language = False
    everywhere = True
    languages_read = frozenset(_LANGUAGES.split())
    """BCP 47 tags of the languages that it was measured to read (tests/unit/test_rapidocr_languages.py). Its model
    knows the letters of more languages, but misreads some of them: Czech ď and ť, Latvian ģ, Lithuanian į."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._reader: _Reader | None = None
        self._loaded_on: Target | None = None
        self._loading = threading.Lock()

    @classmethod
    def reads(cls, languages: Sequence[str], typeface: str) -> bool:
        """Return whether it reads all these languages.

        It declares no Fraktur: it reads s for the long s, and more letters wrongly than Tesseract
        (docs/how-to/read-other-languages.md).
        """
        return typeface == "antiqua" and cls.languages_read.issuperset(languages)

    @property
    def version(self) -> str:
        """The versions of RapidOCR and of what runs its models, the models, and the GPU if there is one."""
        return f"{self.recipe}, {self._target.version}"

    @property
    def device_in_use(self) -> str:
        """What runs the models; before it is loaded, `ocr_device=auto` counts as `cpu`."""
        return self._target.device

    @property
    def _target(self) -> Target:
        return self._loaded_on or self._targets()[-1]

    def _targets(self) -> list[Target]:
        from worker.ocr.engines.rapid.networks import targets  # noqa: PLC0415  # imports what only a worker needs

        return targets(getattr(self.options, "ocr_device", "cpu"))

    @cached_property
    def recipe(self) -> str:
        """The version without what runs the models: all give the same text."""
        models = ", ".join(_model_file(task).stem for task in ("det", "rec"))
        return f"rapidocr {version('rapidocr')}, {models}, {_METHOD}"

    def load(self) -> None:
        """Load both models and try them on a word. With `ocr_device=auto`, on the first device on which they work.

        Raises:
            SettingsError: the installation is broken, a model is missing, or the device cannot be used.
        """
        with self._loading:
            if self._reader is not None:
                return
            models = _model_file("det"), _model_file("rec")
            *others, last = self._targets()
            for target in others:
                with suppress(SettingsError):
                    self._reader, self._loaded_on = _tried_reader(*models, target), target
                    return
            self._reader, self._loaded_on = _tried_reader(*models, last), last

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        """Return the lines of a page; an empty list for a page without text."""
        self.load()
        assert self._reader is not None  # noqa: S101  # `load` sets it or raises
        return _read(self._reader, image)


@cache
def load_direction_classifier() -> DirectionClassifier:
    """Return the classifier of lines that are upside down, on the CPU; loaded once a process.

    Raises:
        SettingsError: the model is missing, or cannot be loaded.
    """
    from worker.ocr.engines.rapid.direction import DirectionClassifier  # noqa: PLC0415  # imports what a worker needs
    from worker.ocr.engines.rapid.networks import targets  # noqa: PLC0415 - the same

    model = _model_file("cls")
    try:
        return DirectionClassifier.load(model, targets("cpu")[-1])
    except Exception as error:  # onnxruntime and OpenVINO share no base class
        raise SettingsError(
            f"RapidOCR's {model.stem} cannot be loaded ({_first_line(error)}); {_REINSTALL}"
        ) from error


def upside_down(pieces: Any) -> Any:
    """Return the probability that each picture of a piece of a line is upside down.

    The classifier is loaded when this is called first.

    Args:
        pieces: as `DirectionClassifier` takes them.

    Raises:
        SettingsError: the model is missing, or cannot be loaded.
    """
    return load_direction_classifier()(pieces)


def _model_file(task: str) -> Path:
    """Return the model for `det` (finding lines), `rec` (reading them) or `cls` among the files of the wheel."""
    try:
        models = [file for file in files("rapidocr") or () if file.match(f"models/*_{task}_*.onnx")]
    except PackageNotFoundError:
        models = []
    if len(models) != 1:
        raise SettingsError(f"RapidOCR is not installed with its {task} model; {_REINSTALL}")
    return Path(str(models[0].locate()))


def _tried_reader(detector: Path, recogniser: Path, on: Target) -> _Reader:
    where, remedy = ("", _REINSTALL) if on.device == "cpu" else (f" on {on.device}", _CHECK_GPU)
    try:
        reader = _make_reader(detector, recogniser, on)
        lines = _read(reader, _sample_word())
    except SettingsError:
        raise
    except Exception as error:  # RapidOCR, onnxruntime and OpenVINO share no base class
        raise SettingsError(f"RapidOCR cannot be loaded{where} ({_first_line(error)}); {remedy}") from error
    if not any(line.text for line in lines):
        raise SettingsError(f"RapidOCR loads{where}, but cannot read a plain word; {remedy}")
    return reader


def _make_reader(detector: Path, recogniser: Path, on: Target) -> _Reader:
    import cv2  # noqa: PLC0415  # these take a second to import, which only a worker needs

    from worker.ocr.engines.rapid.detection import Detector  # noqa: PLC0415 - the same
    from worker.ocr.engines.rapid.networks import load_network  # noqa: PLC0415 - the same
    from worker.ocr.engines.rapid.recognition import Recogniser  # noqa: PLC0415 - the same

    cv2.setNumThreads(1)
    return _Reader(Detector(load_network(detector, on)), Recogniser(load_network(recogniser, on)))


def _read(reader: _Reader, image: Image.Image) -> list[OcrLine]:
    page = _pixels(image)
    return [_line(reader.recogniser.read(page, box), box.corners) for box in reader.detector.find(page)]


def _pixels(image: Image.Image) -> Any:
    """Return blue, green and red of an image of any mode, of shape (height, width, 3)."""
    import cv2  # noqa: PLC0415 - the same
    import numpy as np  # noqa: PLC0415 - the same

    # `convert` would copy a page that is in RGB, and make one in grey three times as large.
    if image.mode == "L":
        return cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2BGR)
    in_rgb = image if image.mode == "RGB" else image.convert("RGB")
    return cv2.cvtColor(np.asarray(in_rgb), cv2.COLOR_RGB2BGR)


def _line(read: ReadLine, corners: Any) -> OcrLine:
    """Return a line; without text if the model is not sure enough of it or does not know the script.

    Such a line is kept: otherwise a page in a script that the model does not know would look blank.
    """
    from worker.ocr.engines.rapid.recognition import as_printed  # noqa: PLC0415 - the same

    text = read.text.strip() if read.score >= _MIN_SCORE else ""
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return OcrLine(
        text,
        min(read.score, 1.0),
        Box.from_corners(left, top, right, bottom),
        read.words if text else (),
        cast("Polygon", tuple((round(x), round(y)) for x, y in as_printed(corners).tolist())),
        read.baseline,
    )


def _sample_word() -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  # only a process that loads the engine draws

    image = Image.new("RGB", (320, 96), "white")
    ImageDraw.Draw(image).text((40, 24), "Leafmark", fill="black", font=ImageFont.load_default(40))
    return image


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
