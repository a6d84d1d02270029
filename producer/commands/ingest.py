"""`producer ingest`."""

from pathlib import Path
from typing import Annotated

import typer

from producer.commands.options import NewScanId, Password, Title
from producer.console import notes, results
from producer.ingest import Ingested, ingest
from worker.settings import load_settings


def ingest_command(
    source: Annotated[Path, typer.Argument(help="A PDF, a folder of page images, or one image.")],
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
) -> None:
    """Copy a scanned book into the storage root. Prints its scan id.

    Example: `producer ingest moby-dick.pdf --title "Moby-Dick"`
    """
    done = ingest(source, load_settings().root, scan_id=scan_id, title=title, password=password)
    say_ingested(done)
    results.print(done.metadata.scan_id)


def say_ingested(done: Ingested) -> None:
    """What came of it, and what a person should know about the source."""
    what = "Ingested" if done.created else "Already ingested:"
    notes.print(f"{what} '{done.metadata.title}', {done.metadata.total_pages} pages, as {done.metadata.scan_id}")
    if done.ignored_files:
        notes.print(f"{done.ignored_files} files in the folder are no page images and were left out.")
    if done.unreadable_files:
        notes.print(f"{done.unreadable_files} page images do not open; their pages will be quarantined.")
    for broken in done.broken_files:
        notes.print(f"{broken}; what follows counts as 1 page, which will be quarantined.")
    if done.decrypted:
        notes.print("The PDF is stored without its password, so that workers can read it.")
