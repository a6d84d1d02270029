"""RapidOCR on onnxruntime: the default engine. Its models come inside its wheel, and no others are used.

The parameters were chosen by measuring, with one thread, a page of 1600 x 1963 pixels (a novel, 29 lines):

- Finding text on a copy of at most 1280 pixels a side took 0.7 s, at full size about 3 s; no line was lost.
- Lines are read from the page at full size (`max_side_len`); RapidOCR would shrink it to 2000 pixels. On a
  drawn page of 7-point type at 300 dpi both together read 178 of 178 lines without a fault, instead of 168.
- Reading one line at a time took 1.6 s, six at a time 2.0 s: a batch is padded to its longest line.
- With the classifier for upside-down lines 1013 characters came out instead of 1071; it is off.
"""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine

if TYPE_CHECKING:
    from PIL import Image

_REINSTALL = "reinstall it with: pip install --force-reinstall rapidocr onnxruntime"
_LONGEST_SIDE_TO_FIND_TEXT = 1280
_NEVER_SHRINK = 1_000_000
_LEAST_SCORE = 0.5
"""Of a line that counts as read; RapidOCR's own default."""
_NOTHING_READ = "\N{REPLACEMENT CHARACTER}"


class RapidOcr(Engine):
    """RapidOCR with one thread a process, so that worker processes scale with the cores.

    After `load` its state does not change, and several threads may call `recognise` at once.
    """

    name = "rapidocr"
    package = "rapidocr"
    languages = "Chinese, English and other languages in Latin letters, all at once"
    takes_language = False

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._reader: Any = None
        self._loading = threading.Lock()

    @property
    def version(self) -> str:
        """Versions of RapidOCR and onnxruntime, and the names of both models."""
        models = ", ".join(_carried_model(task).stem for task in ("det", "rec"))
        return f"rapidocr {version('rapidocr')}, onnxruntime {version('onnxruntime')}, {models}"

    def load(self) -> None:
        """Load both models and prove them on a word; RapidOCR alone would put that off until the first page.

        Raises:
            SettingsError: the installation is broken or a model is missing.
        """
        with self._loading:
            if self._reader is None:
                self._reader = _proven_reader(_carried_model("det"), _carried_model("rec"))

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        """Read a page; an empty list where nothing on it looks like text."""
        self.load()
        return _read(self._reader, image)


def _carried_model(task: str) -> Path:
    """The model for `det` (finding text) or `rec` (reading it) that the wheel lists among its own files.

    A path given outright keeps RapidOCR from downloading a model that is missing or altered.
    """
    try:
        models = [file for file in files("rapidocr") or () if file.match(f"models/*_{task}_*.onnx")]
    except PackageNotFoundError:
        models = []
    if len(models) != 1:
        raise SettingsError(f"RapidOCR is not installed with its {task} model; {_REINSTALL}")
    return Path(str(models[0].locate()))


def _proven_reader(detector: Path, recogniser: Path) -> Any:
    try:
        reader = _make_reader(detector, recogniser)
        lines = _read(reader, _sample_word())
    except Exception as error:  # RapidOCR, OmegaConf and onnxruntime share no base class
        raise SettingsError(f"RapidOCR cannot be loaded ({_first_line(error)}); {_REINSTALL}") from error
    if not any(line.text for line in lines):
        raise SettingsError(f"RapidOCR loads, but cannot read a plain word; {_REINSTALL}")
    return reader


def _make_reader(detector: Path, recogniser: Path) -> Any:
    import cv2  # noqa: PLC0415 - these take a second to import; only a worker that does OCR pays it
    from rapidocr import RapidOCR  # noqa: PLC0415 - the same

    cv2.setNumThreads(1)
    reader = RapidOCR(
        params={
            "Global.text_score": 0.0,  # lines that are not read are kept, without their text
            "Global.log_level": "critical",  # else it warns of every blank page, past our own log
            "Global.use_cls": False,
            "Global.max_side_len": _NEVER_SHRINK,
            "Det.model_path": str(detector),
            "Det.limit_type": "max",
            "Det.limit_side_len": _LONGEST_SIDE_TO_FIND_TEXT,
            "Rec.model_path": str(recogniser),
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    return _keeping_unread_lines(reader)


def _keeping_unread_lines(reader: Any) -> Any:
    """Have a reader keep the lines that it found and could read nothing in; RapidOCR drops them without a word.

    Of a page in a script that the model does not know nothing would be left: it would look blank.
    """
    finish = reader.build_final_output

    def keep(image: Any, found: Any, turned: Any, read: Any, *others: Any) -> Any:
        if read.txts is not None:
            read.txts = tuple(text if text.strip() else _NOTHING_READ for text in read.txts)
        return finish(image, found, turned, read, *others)

    reader.build_final_output = keep
    return reader


def _read(reader: Any, image: Image.Image) -> list[OcrLine]:
    import numpy as np  # noqa: PLC0415  # as with the engine itself

    blue_green_red = np.asarray(image.convert("RGB"))[:, :, ::-1]
    found = reader(np.ascontiguousarray(blue_green_red))
    if found.boxes is None or found.txts is None:  # RapidOCR's answer for a page without text
        return []
    return [
        OcrLine(_read_text(text, score), min(float(score), 1.0), _upright(corners))
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
    ]


def _read_text(text: str, score: float) -> str:
    """The text of a line; empty where the engine is not sure enough of it."""
    return "" if score < _LEAST_SCORE or text == _NOTHING_READ else text.strip()


def _upright(corners: Any) -> Box:
    """The upright box around a line's four corners, an array of shape (4, 2) in x, y."""
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return Box.from_corners(left, top, right, bottom)


def _sample_word() -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  # only a process that loads the engine draws

    image = Image.new("RGB", (320, 96), "white")
    ImageDraw.Draw(image).text((40, 24), "Leafmark", fill="black", font=ImageFont.load_default(40))
    return image


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
