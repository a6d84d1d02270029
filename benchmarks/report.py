"""How a figure is measured and printed."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def report(name: str, value: float, unit: str, yardstick: str, ratio: float | None) -> None:
    """Print one figure as a line of JSON on stdout.

    Args:
        name: what was measured.
        value: in `unit`.
        unit: of the value.
        yardstick: what it is compared with, measured in the same run, with its own value.
        ratio: value over yardstick.
    """
    figure = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "yardstick": yardstick,
        "ratio": None if ratio is None else round(ratio, 3),
    }
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


def seconds_of(work: Callable[[], object]) -> float:
    """How many seconds some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cpu_seconds_of(work: Callable[[], object]) -> float:
    """How much CPU of this process some work takes, in seconds: what a busy machine does not change."""
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had in use so far, as Linux accounts for it."""
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kibibytes) * 1024


def note(words: str) -> None:
    """Say on stderr what is going on."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
