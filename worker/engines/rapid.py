"""RapidOCR on onnxruntime: the default engine. Its models come inside its wheel, and no others are used.

The parameters were chosen by measuring, on one core, a page of 1600 x 1963 pixels (a novel, 29 lines):

- Finding text on a copy of at most 1280 pixels a side takes 0.7 s; at full size 3 s, for the same lines.
- Reading the lines from the full-size page (`max_side_len`; RapidOCR would shrink the page to 2000 pixels)
  mends one line in twenty of 7-point type at 300 dpi.
- Reading one line at a time takes 1.6 s, six at a time 2.0 s: a batch is padded to its longest line.
- The classifier for upside-down lines turned good lines over, and is off.
"""

import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from checkpointing.errors import SettingsError
from worker.boxes import Box
from worker.engines.base import OcrLine

_REINSTALL = "reinstall it with: pip install --force-reinstall rapidocr onnxruntime"
_LONGEST_SIDE_TO_FIND_TEXT = 1280
_NEVER_SHRINK = 1_000_000


class RapidOcr:
    """RapidOCR with one thread a process, so that worker processes scale with the cores.

    After `load` its state does not change, and several threads may call `recognise` at once.
    """

    name = "rapidocr"

    def __init__(self) -> None:
        self._reader: Callable[..., Any] | None = None
        self._loading = threading.Lock()

    @property
    def version(self) -> str:
        """Versions of RapidOCR and onnxruntime, and the names of both models."""
        models = ", ".join(_carried_model(task).stem for task in ("det", "rec"))
        return f"rapidocr {version('rapidocr')}, onnxruntime {version('onnxruntime')}, {models}"

    def load(self) -> None:
        """Load both models, and prove them on a word: RapidOCR alone would put that off until the first page.

        Raises:
            SettingsError: the installation is broken or a model is missing.
        """
        with self._loading:
            if self._reader is not None:
                return
            reader = _make_reader(_carried_model("det"), _carried_model("rec"))
            if not _read(reader, _sample_word()):
                raise SettingsError(f"RapidOCR loads but cannot read a plain word; {_REINSTALL}")
            self._reader = reader

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        """Read a page; an empty list where nothing on it is text."""
        if self._reader is None:
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


def _make_reader(detector: Path, recogniser: Path) -> Callable[..., Any]:
    try:
        import cv2  # noqa: PLC0415 - both take a second to import; only a worker that does OCR pays it
        from rapidocr import RapidOCR  # noqa: PLC0415

        cv2.setNumThreads(1)
        reader: Callable[..., Any] = RapidOCR(
            params={
                "Global.log_level": "critical",  # a blank page is no warning
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
        _read(reader, _sample_word())
    except Exception as error:  # noqa: BLE001 - RapidOCR, OmegaConf and onnxruntime share no base class
        raise SettingsError(f"RapidOCR cannot be loaded ({error}); {_REINSTALL}") from error
    return reader
