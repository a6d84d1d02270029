"""Makes the captures that the README shows, from a real deployment: `python -m sample.capture watch`.

The sample book, with one page damaged, goes through OCR and correction by real workers and a broker of their own;
the model is played by the test provider. When both stages are well under way, what `producer watch` shows at that
moment is written as text and as SVG. Nothing is drawn by hand.
"""

import argparse
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Documented as `rich.console.CONSOLE_SVG_FORMAT`, which that module does not export as typing understands it.
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from producer.ingest.ingest_source import ingest
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from producer.run.supervised_run import Supervisor
from producer.watch.collect import Collector, stages_under_way
from producer.watch.output import UNICODE
from producer.watch.render import render
from producer.watch.screen import DRAW_SECONDS, VIEW_HINT
from producer.watch.snapshot import Snapshot
from sample import pages, write_image_folder
from sample.provider import Behaviour, running_provider
from sample.with_provider import environment
from worker.app import make_app
from worker.config.settings import load_settings
from worker.deployment import Deployment

_BOOK = "the-rabbit-hole"
_TITLE = "Alice's Adventures in Wonderland"
_PAGES = 40
_DAMAGED_PAGE = 5
_WORKERS = 2
_COLUMNS, _LINES = 88, 20
_MAX_SECONDS = 600.0
# Slow enough that several questions are on their way at any moment.
_BEHAVIOUR = Behaviour(latency_seconds=6.0)
_FOLDER = Path(__file__).parent.parent / "docs" / "captures"
# Rich names a host for its typeface; whoever looks at the picture shall ask nobody for anything.
_FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


def capture_watch(folder: Path) -> list[Path]:
    """Write what the view shows of a book under way.

    Args:
        folder: for `watch.txt` and `watch.svg`; made where it is missing.

    Returns:
        The files.

    Raises:
        TimeoutError: the stages did not get under way.
        LeafmarkError: a worker or the broker did not start.
    """
    with tempfile.TemporaryDirectory() as temporary, _deployment(Path(temporary)) as deployment:
        snapshot = _snapshot_under_way(deployment)
    console = Console(
        file=io.StringIO(),
        record=True,
        width=_COLUMNS,
        height=_LINES,
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(render(snapshot, _COLUMNS, _LINES, UNICODE, VIEW_HINT))
    folder.mkdir(parents=True, exist_ok=True)
    text, picture = folder / "watch.txt", folder / "watch.svg"
    lines = console.export_text(clear=False).splitlines()
    text.write_text("".join(f"{line.rstrip()}\n" for line in lines))
    picture.write_text(self_contained_svg(console, "producer watch"))
    return [text, picture]


def self_contained_svg(console: Console, title: str) -> str:
    """What a console has recorded, as a picture that asks nobody for a typeface.

    Args:
        console: made with `record=True`.
        title: stands above it.
    """
    form = _COMMENT.sub("", _FONT_FACE.sub("", CONSOLE_SVG_FORMAT))
    return console.export_svg(title=title, code_format=form, unique_id="capture")


@contextmanager
def _deployment(folder: Path) -> Iterator[Deployment]:
    """Broker, workers, provider, and a book that goes through two stages, for the length of a `with` block."""
    root = folder / "scans"
    with running_provider(_BEHAVIOUR) as provider:
        os.environ.update(environment(provider.base_url, _BEHAVIOUR), LEAFMARK_STORAGE_ROOT=str(root))
        ingest(_book(folder / _BOOK), root, title=_TITLE)
        settings = load_settings()
        supervisor = Supervisor(root, _WORKERS, ["correction"])
        try:
            there = settings.model_copy(update={"redis_url": supervisor.redis_url})
            deployment = Deployment(there, make_app(there))
            for request in requests_through(deployment.store, Request(_BOOK, "ocr"), "correction"):
                enqueue(deployment, request)
            yield deployment
            deployment.close()
        finally:
            supervisor.stop()


def _book(folder: Path) -> Path:
    """The pages as images, one of them cut off in the middle, as a full disk leaves it."""
    write_image_folder(folder, pages(_PAGES))
    damaged = folder / f"page_{_DAMAGED_PAGE}.png"
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    return folder


def _snapshot_under_way(deployment: Deployment) -> Snapshot:
    deadline = time.monotonic() + _MAX_SECONDS
    with Collector(deployment, stages_under_way(deployment.store)) as collector:
        while time.monotonic() < deadline:
            snapshot = collector.snapshot()
            if _shows_everything(snapshot):
                return snapshot
            time.sleep(DRAW_SECONDS)
    raise TimeoutError(f"the book was not well under way after {_MAX_SECONDS:g} s")


def _shows_everything(snapshot: Snapshot) -> bool:
    """Whether both stages have pages of every kind, and both workers something to do."""
    if len(snapshot.stages) < 2 or not all(worker.tasks for worker in snapshot.workers.answering):  # noqa: PLR2004  # as said
        return False
    first, second = snapshot.stages
    busy = all(len(stage.in_flight or ()) > 1 for stage in snapshot.stages)
    known = all(stage.pages_per_second for stage in snapshot.stages) and second.expected_usd is not None
    return busy and known and first.quarantined > 0 and first.completed > _PAGES // 2 > second.completed > 0


def main() -> int:
    """Make a capture; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sample.capture", description=__doc__)
    parser.add_argument("what", choices=["watch"])
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="default docs/captures")
    for path in capture_watch(parser.parse_args().folder):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
