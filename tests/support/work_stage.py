"""The stage `work`. What it does with a page comes from the environment:

WORK_SECONDS   how long a page takes; default 0
WORK_BYTES     how large an output is, about; default 7000
WORK_JOURNAL   a folder: each process appends a JSON line there when a page begins and when it ends
WORK_TROUBLE   {"3": "crash", "5": "hang"}: pages that never succeed; see `_TROUBLE`
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from worker.stages.base import PageOutput, Stage

_ALPHABET = "leafmark "


class WorkOutput(PageOutput):
    text: str = Field(min_length=1)


class WorkStage(Stage):
    """Takes as long, and writes as much, as it is told."""

    name = "work"
    schema = WorkOutput

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._seconds = float(os.environ.get("WORK_SECONDS", "0"))
        self._text = (_ALPHABET * 10_000)[: int(os.environ.get("WORK_BYTES", "7000"))]
        self._journal = os.environ.get("WORK_JOURNAL")
        self._trouble: dict[str, str] = json.loads(os.environ.get("WORK_TROUBLE", "{}"))

    def run(self, page: int, inputs: Any) -> PageOutput:
        self._note("begin", page, inputs)
        trouble = self._trouble.get(str(page))
        if trouble:
            return _TROUBLE[trouble]()
        if self._seconds:
            time.sleep(self._seconds)
        self._note("end", page, inputs)
        return WorkOutput(page_number=page, text=self._text)

    def _note(self, event: str, page: int, inputs: Any) -> None:
        """One short write at the end of a file of this process: whole, whatever kills us after it."""
        if self._journal is None:
            return
        line = {"event": event, "scan_id": inputs.scan_id, "page": page, "time": time.time(), "pid": os.getpid()}
        with (Path(self._journal) / f"{os.getpid()}.jsonl").open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")


def _crash() -> PageOutput:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


def _hang() -> PageOutput:
    time.sleep(3600)
    raise AssertionError("not reached")


def _hang_deaf() -> PageOutput:
    """Hangs where no signal reaches it, as native code may."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    return _hang()


def _eat_memory() -> PageOutput:
    eaten = [bytearray(64 * 1024 * 1024) for _ in range(1024)]
    raise AssertionError(f"ate {len(eaten)} blocks of 64 MiB and nobody minded")


def _fail() -> PageOutput:
    raise ValueError("this page never works")


def _invalid() -> PageOutput:
    return PageOutput(page_number=1)


_TROUBLE = {
    "crash": _crash,
    "hang": _hang,
    "hang-deaf": _hang_deaf,
    "memory": _eat_memory,
    "error": _fail,
    "invalid": _invalid,
}
