"""RapidOCR on onnxruntime: the default engine. Its wheel contains its models, and no others are used.

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
_MIN_SCORE = 0.5
"""Minimum score of a line whose text is used; RapidOCR's own default."""
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
        """The versions of RapidOCR and onnxruntime, and the names of both models."""
        models = ", ".join(_model_file(task).stem for task in ("det", "rec"))
        return f"rapidocr {version('rapidocr')}, onnxruntime {version('onnxruntime')}, {models}"

    def load(self) -> None:
        """Load both models and try them on a word; RapidOCR itself would load them at the first page.

        Raises:
            SettingsError: the installation is broken or a model is missing.
        """
        with self._loading:
            if self._reader is None:
                self._reader = _tried_reader(_model_file("det"), _model_file("rec"))

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        """Return the lines of a page; an empty list for a page without text."""
        self.load()
        return _read(self._reader, image)


def _model_file(task: str) -> Path:
    """Return the model for `det` (finding text) or `rec` (reading it) among the files of the wheel.

    With a path RapidOCR does not download a model that is missing or altered.
    """
    try:
        models = [file for file in files("rapidocr") or () if file.match(f"models/*_{task}_*.onnx")]
    except PackageNotFoundError:
        models = []
    if len(models) != 1:
        raise SettingsError(f"RapidOCR is not installed with its {task} model; {_REINSTALL}")
    return Path(str(models[0].locate()))


def _tried_reader(detector: Path, recogniser: Path) -> Any:
    try:
        reader = _make_reader(detector, recogniser)
        lines = _read(reader, _sample_word())
    except Exception as error:  # RapidOCR, OmegaConf and onnxruntime share no base class
        raise SettingsError(f"RapidOCR cannot be loaded ({_first_line(error)}); {_REINSTALL}") from error
    if not any(line.text for line in lines):
        raise SettingsError(f"RapidOCR loads, but cannot read a plain word; {_REINSTALL}")
    return reader


def _make_reader(detector: Path, recogniser: Path) -> Any:
    import cv2  # noqa: PLC0415  # these take a second to import, which only a worker needs
    from rapidocr import RapidOCR  # noqa: PLC0415 - the same

    cv2.setNumThreads(1)
    reader = RapidOCR(
        params={
            "Global.text_score": 0.0,  # lines that cannot be read are kept, without text
            "Global.log_level": "critical",  # otherwise it warns of every blank page, not through our log
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
    """Make a reader keep the lines that it found and could not read, which RapidOCR drops.

    Otherwise a page in a script that the model does not know would look blank.
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
    if found.boxes is None or found.txts is None:  # so for a page without text
        return []
    return [
        OcrLine(_read_text(text, score), min(float(score), 1.0), _upright(corners))
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
    ]


def _read_text(text: str, score: float) -> str:
    """Return the text of a line; empty if the engine is not sure enough of it."""
    return "" if score < _MIN_SCORE or text == _NOTHING_READ else text.strip()


def _upright(corners: Any) -> Box:
    """Return the upright box around a line's four corners, an array of shape (4, 2) in x, y."""
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
