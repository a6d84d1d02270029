"""Measure all pages, in several processes, and print the table."""

import multiprocessing
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks import readers
from benchmarks.pages.figures import Row, as_table, beside_rows, geometry_rows, gutter_rows, layout_rows, skew_rows
from benchmarks.pages.records import Records, version_of_code
from benchmarks.pages.tasks import OCRMYPDF_OPTIONS, Record, Task, measure, tasks
from benchmarks.report import note
from checkpointing.plurals import counted
from sample.truth_pages import HELD_OUT_SEEDS

_SHARE_READ = 0.08
"""Share of the pages that are read by an engine, which takes several times as long as everything else."""
_NEIGHBOURS = 2
"""Tasks that one process does one after the other: two on the same page print it only once."""
_NOTED = 20
"""A line of progress for so many tasks."""


def run(
    page_count: int = 25,
    rounds: int = 1,  # noqa: ARG001  # a page is measured once
    first_seed: int = HELD_OUT_SEEDS,
    processes: int = 1,
    records: Path | None = None,
) -> None:
    """Measure and print the table.

    Args:
        page_count: how many pages are measured without an engine, as they come and upright; see `tasks` for those
            that are read.
        rounds: not used.
        first_seed: of the pages.
        processes: how many pages are measured at a time.
        records: file that keeps what was measured; pages with a record in it are not measured again.

    Raises:
        InputError: the file has records of another version of the code.
    """
    readings = max(1, round(_SHARE_READ * page_count))
    wanted = tasks(first_seed, page_count, readings)
    kept = Records(records, version_of_code())
    # Installs OCRmyPDF before two processes try to.
    readers.has_tesseract()
    _measure_all(kept.missing(wanted), kept, processes)
    sys.stdout.write(_report(kept.of(wanted), first_seed, page_count))


def _measure_all(missing: Sequence[Task], kept: Records, processes: int) -> None:
    started = time.monotonic()
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawned) as pool:
        measured = pool.map(measure, missing, chunksize=_NEIGHBOURS)
        for number, record in enumerate(measured, start=1):
            kept.add(record)
            if number % _NOTED == 0 or number == len(missing):
                took = (time.monotonic() - started) / 60
                load = os.getloadavg()[0]
                note(f"{number} of {counted(len(missing), 'task')} after {took:.1f} min, load {load:.1f}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    note(f"{used.ru_utime + used.ru_stime:.0f} CPU s for {counted(len(missing), 'task')}")


def _report(records: Sequence[Record], first_seed: int, page_count: int) -> str:
    of_kind: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        of_kind[record["kind"]].append(record)
    beside = of_kind["beside"]
    read = [*of_kind["read"], *beside]
    reading_seconds = sum(each["cpu_seconds"] for each in read) / len(read) if read else None
    rows: list[Row] = [
        *geometry_rows(of_kind["geometry"], reading_seconds),
        *gutter_rows([*of_kind["geometry"], *of_kind["spread"], *of_kind["plate"]]),
        *layout_rows(of_kind["lines"], "lines as printed"),
        *layout_rows(of_kind["read"], "RapidOCR"),
        *skew_rows(of_kind["skew"]),
    ]
    last = first_seed + page_count - 1
    seeds = f"Version {version_of_code()}, seeds {first_seed} to {last}; of what is read, the first that fit."
    parts = [seeds, as_table(rows)]
    if compared := beside_rows(beside, "OCRmyPDF"):
        languages = "English and German pages as they come"
        parts += [f"{languages}, beside OCRmyPDF with {' '.join(OCRMYPDF_OPTIONS)}:", as_table(compared)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"
