"""What `producer ingest` and `producer run` print about an ingested book."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from checkpointing.errors import InputError
from checkpointing.plurals import counted
from producer.ingest.ingest_source import Ingested
from producer.page_ranges import runs, show_ranges
from producer.terminal.console import notes
from worker.pages.metadata import ScanSource


def print_ingested(done: Ingested) -> None:
    """Print what was ingested, and what is unusual about the source."""
    what = "Ingested" if done.created else "Already ingested:"
    pages = counted(done.metadata.total_pages, "page")
    source = done.metadata.source
    notes.print(f"{what} '{done.metadata.title}', {pages}, as {done.metadata.scan_id}")
    if source.spreads:
        notes.print(spread_line(source))
    for line in doubtful_spreads(done.doubtful_spreads):
        notes.print(f"{line}.")
    if not done.metadata.profile.is_empty:
        notes.print(f"Its profile: {done.metadata.profile.words()}.")
    for each in done.metadata.page_profiles:
        notes.print(f"Profile of the pages {show_ranges(each.pages)}: {each.profile.words()}.")
    if done.ignored_files:
        others = counted(
            done.ignored_files,
            "entry of the folder is not a page image",
            "entries of the folder are not page images",
        )
        notes.print(f"{others}; skipped.")
    if done.unreadable_files:
        images = counted(
            done.unreadable_files,
            "page image cannot be opened; its pages",
            "page images cannot be opened; their pages",
        )
        notes.print(f"{images} will be quarantined.")
    for broken in done.broken_files:
        notes.print(f"{broken}; the rest counts as 1 page, which will be quarantined.")
    if done.decrypted:
        notes.print("The PDF is stored without its password, so that workers can read it.")


def spread_line(source: ScanSource) -> str:
    """Return how many pages a source has: `96 pictures, 189 pages: 93 spreads, 3 single`."""
    single = source.total_images - len(source.spreads)
    parts = (counted(len(source.spreads), "spread"), f"{single} single" if single else "")
    total = f"{counted(source.total_images, 'picture')}, {counted(source.total_pages, 'page')}"
    return f"{total}: {', '.join(part for part in parts if part)}"


def doubtful_spreads(doubts: Mapping[int, str]) -> Iterator[str]:
    """Yield a line for each reason why pictures, by their numbers, stayed whole in doubt."""
    alike: dict[str, list[int]] = {}
    for number, reason in sorted(doubts.items()):
        alike.setdefault(reason, []).append(number)
    for reason, numbers in alike.items():
        several = counted(len(numbers), "picture")
        yield f"{several} may show two pages and stayed whole ({show_ranges(runs(numbers))}): {reason}"


def ingested_json(done: Ingested) -> dict[str, Any]:
    """Return the form that `producer ingest --json` prints for a book."""
    return {
        "scan_id": done.metadata.scan_id,
        "title": done.metadata.title,
        "total_pages": done.metadata.total_pages,
        "total_pictures": done.metadata.source.total_images,
        "spreads": len(done.metadata.source.spreads),
        "doubtful_spreads": sorted(done.doubtful_spreads),
        "created": done.created,
        "ignored_files": done.ignored_files,
        "unreadable_files": done.unreadable_files,
        "broken_files": list(done.broken_files),
        "decrypted": done.decrypted,
        "profile": done.metadata.profile.model_dump(mode="json"),
        "page_profiles": [each.model_dump(mode="json") for each in done.metadata.page_profiles],
    }


def ingest_json(done: list[Ingested], failed: dict[Path, InputError]) -> dict[str, Any]:
    """Return the form that `producer ingest --json` prints for several books."""
    return {
        "scans": [ingested_json(each) for each in done],
        "failed": [{"source": str(source), "error": str(error)} for source, error in failed.items()],
    }
