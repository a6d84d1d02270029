"""The real worker and the real command line, with stages that note in a journal when a page begins and ends.

`celery -A chaos.asking worker` and `python -m chaos.asking COMMAND ...` behave as the shipped ones do.
The journal is that of `tests.support.work_stage`, in the folder of WORK_JOURNAL; it names a stage of a book
`book/stage`.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, cast

from worker.stages.base import PageOutput, Stage
from worker.stages.ocr import OcrStage
from worker.stages.registry import STAGES


def _journaled(kind: Any) -> Any:
    """Return a subclass of a stage that writes its runs to the journal."""

    def run(self: Stage, page: int, inputs: Any) -> PageOutput:
        _note("begin", self.name, page, inputs)
        try:
            return cast("PageOutput", kind.run(self, page, inputs))
        finally:
            _note("end", self.name, page, inputs)

    return type(kind.__name__, (kind,), {"run": run})


def _note(event: str, stage: str, page: int, inputs: Any) -> None:
    """One short write at the end of a file of this process: whole, whatever kills us after it."""
    folder = os.environ.get("WORK_JOURNAL")
    if folder is None:
        return
    line = {
        "event": event,
        "scan_id": f"{inputs.scan_id}/{stage}",
        "page": page,
        "time": time.time(),
        "pid": os.getpid(),
    }
    with (Path(folder) / f"{os.getpid()}.jsonl").open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


for _name in [name for name in STAGES if name != OcrStage.name]:
    STAGES[_name] = _journaled(STAGES[_name])

from worker.celery import app  # noqa: E402  # its stages are those registered by now

__all__ = ["app"]

if __name__ == "__main__":
    from producer.cli import main

    main()
