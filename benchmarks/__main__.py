"""`python -m benchmarks [NAME ...]`: measure and print the figures of docs/explanation/performance.md."""

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    book,
    calls,
    counting,
    decoding,
    enqueue,
    geometry,
    kill,
    large,
    layout,
    long_lines,
    memory,
    named_languages,
    pipeline,
    quality,
    reading,
    report_page,
    resume,
    scale,
    throughput,
    worker_memory,
)
from benchmarks.pages import run as pages
from checkpointing.errors import InputError

BENCHMARKS: dict[str, Callable[..., None]] = {
    "throughput": throughput.run,
    "resume": resume.run,
    "enqueue": enqueue.run,
    "kill": kill.run,
    "memory": memory.run,
    "book": book.run,
    "geometry": geometry.run,
    "quality": quality.run,
    "layout": layout.run,
    "pages": pages.run,
    "named_languages": named_languages.run,
    "reading": reading.run,
    "long_lines": long_lines.run,
    "decoding": decoding.run,
    "worker_memory": worker_memory.run,
    "calls": calls.run,
    "pipeline": pipeline.run,
    "counting": counting.run,
    "report_page": report_page.run,
    "scale": scale.run,
    "large": large.run,
}


_OWN_OPTIONS = {"first_seed": {"layout", "pages"}, "processes": {"pages"}, "records": {"pages"}}
"""Options that only some benchmarks have."""


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BENCHMARKS), help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, help="how often each side is measured; default the benchmark's own")
    parser.add_argument("--pages", type=int, help="length of the book; default the benchmark's own")
    parser.add_argument("--first-seed", type=int, help="of the generated pages; default 1000000")
    parser.add_argument("--processes", type=int, help="how many pages are measured at a time; default 1")
    parser.add_argument("--records", type=Path, help="file that keeps what was measured, to continue it")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    given = {"rounds": arguments.rounds, "page_count": arguments.pages}
    for name, of in _OWN_OPTIONS.items():
        value = getattr(arguments, name)
        if value is not None and not set(arguments.names) <= of:
            parser.error(f"--{name.replace('_', '-')} is for {' and '.join(sorted(of))}: name no other benchmark")
        given[name] = value
    options = {name: value for name, value in given.items() if value is not None}
    try:
        for name in arguments.names:
            BENCHMARKS[name](**options)
    except InputError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
