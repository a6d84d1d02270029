"""How much memory a worker process needs for large pages: the sample book's, enlarged to 9 megapixels.

That is a page of 8.5 by 12 inches at 300 dots an inch. `producer run` reads them, and the figure is the peak of its
largest process.
"""

import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
from PIL import Image

from benchmarks.readers import PROCESSES, leafmark_command, leafmark_environment
from benchmarks.report import note, peak_bytes, report
from sample import pages
from sample.render import render

_SIZE = (2550, 3570)
_DPI = 300
_MIB = 1 << 20
_LOOK_EVERY_SECONDS = 0.2


def run(page_count: int = 8, rounds: int = 1) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pages"
        folder.mkdir()
        note(f"Rendering {page_count} pages of {_SIZE[0]} x {_SIZE[1]} ...")
        for number, page in enumerate([page for page in pages(page_count + 1) if page.text], start=1):
            image = render(page).resize(_SIZE, Image.Resampling.BICUBIC)
            image.save(folder / f"page_{number:04}.png", dpi=(_DPI, _DPI))
        peak = max(_peak_of_a_run(folder) for _ in range(rounds))
    what = f"peak memory of the largest process, {page_count} pages of {_SIZE[0]} x {_SIZE[1]}, {PROCESSES} workers"
    report(what, peak / _MIB, "MiB", "none; at most 700 MiB is the target", None)


def _peak_of_a_run(folder: Path) -> int:
    """Return the bytes of the process of `producer run`, or of one that it started, that needed most."""
    peak = 0
    with tempfile.TemporaryDirectory() as root:
        command = leafmark_command(folder)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=leafmark_environment(root)) as process:
            while process.poll() is None:
                peak = max(peak, *map(_peak_of, _family(process.pid)))
                time.sleep(_LOOK_EVERY_SECONDS)
    if process.returncode:
        raise RuntimeError(f"`producer run` ended with exit code {process.returncode}")
    return peak


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]


def _peak_of(pid: int) -> int:
    # A process that has just ended has no file, or one without the line.
    with suppress(OSError, StopIteration):
        return peak_bytes(pid)
    return 0
