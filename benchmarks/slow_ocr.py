"""The real worker, with an OCR stage that needs no engine: a page takes as long as it is told, and is made up.

`celery -A benchmarks.slow_ocr worker`; OCR_SECONDS says how long.
"""

import os
import time
from typing import Any

from benchmarks.ocr_pages import made_up_page
from worker.stages.base import StageInputs
from worker.stages.ocr import OcrPage, OcrStage
from worker.stages.registry import STAGES


class SlowOcrStage(OcrStage):
    """Waits as long as an engine would read, and computes nothing meanwhile: the cores are for what is measured."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._seconds = float(os.environ["OCR_SECONDS"])

    def prepare(self) -> None:
        """There is no engine to load."""

    def run(self, page: int, _inputs: StageInputs) -> OcrPage:
        """Make one page up, numbered from 1."""
        time.sleep(self._seconds)
        return made_up_page(page)


STAGES[SlowOcrStage.name] = SlowOcrStage

from worker import celery as shipped  # noqa: E402  # its application makes its stages from those registered by now

app = shipped.app
# It would load the engine of the shipped stage.
shipped.check_engines = lambda _stages: {}

__all__ = ["SlowOcrStage", "app"]
