"""Find and check the books that a command line names: scans by their ids, new books by their paths."""

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpointing.errors import CommandLineError, InputError
from checkpointing.refs import check_scan_id
from producer.ingest.ingest_source import Ingested, ingest
from producer.ingest.source_check import FoundSource, examine
from producer.ingest.spread_search import NO_SEARCH, SpreadSearch
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.scan import is_scan_folder, list_scans
from worker.pages.sources.pdfium import PasswordMissingError
from worker.storage.book_store import BookStore
from worker.storage.root_marker import NotALibraryError
from worker.text.suggestions import closest


@dataclass(frozen=True, slots=True)
class Book:
    """A book that a command line names.

    Attributes:
        path: path of the source, or of the scan's folder.
        scan_id: id of an existing scan; None for a source.
        found: content of the source; None for a scan, and for a scan folder that another program made.
        password: password of the source, if it needs one.
    """

    path: Path
    scan_id: str | None = None
    found: FoundSource | None = None
    password: str | None = None


def check_names(sources: Sequence[object], scan_id: str | None, title: str | None) -> None:
    """Check that `--scan-id` and `--title` are used with one source only, and that the id is valid.

    Raises:
        CommandLineError: there are several sources.
        InputError: the id is not valid.
    """
    given = "--scan-id" if scan_id is not None else "--title" if title is not None else ""
    if given and len(sources) > 1:
        raise CommandLineError(
            f"{given} applies to one book, not to {len(sources)}", hint="ingest that book by itself"
        )
    if scan_id is not None:
        check_scan_id(scan_id)


def look_at_scan_or_source(store: BookStore, given: str, password: str | None) -> Book:
    """Return the scan or the source that the user named. Writes nothing.

    A scan with that id takes precedence over a file of that name.

    Raises:
        InputError: the name is neither that of a scan nor that of a usable source.
        UnknownNameError: the metadata of the scan are missing.
    """
    name = _name_in(store.root, given)
    if name is not None:
        return Book(store.root / name, store.metadata(name).scan_id)
    if os.sep not in given and not Path(given).exists():
        close = closest(given, list_scans(store.root))
        if close:
            raise InputError(f"{given} is neither a file nor a scan", hint=f"did you mean {close!r}?")
        try:
            store.library.check()
        except NotALibraryError as error:
            raise InputError(f"there is no file {given}, and {error}") from None
    return look_at_source(Path(given), password)


def look_at_source(path: Path, password: str | None) -> Book:
    """Inspect a source. If a PDF is encrypted and standard input is a terminal, ask for its password.

    Raises:
        InputError: the source cannot be used.
    """
    if (path / "source").is_dir() and is_scan_folder(path):
        return Book(path)
    try:
        return Book(path, found=examine(path, password), password=password)
    except PasswordMissingError:
        if not sys.stdin.isatty():
            raise
    typed = getpass.getpass(f"Password of {path.name}: ")
    return Book(path, found=examine(path, typed), password=typed)


def take_in_book(
    root: Path,
    book: Book,
    scan_id: str | None = None,
    title: str | None = None,
    profile: BookProfile = NO_PROFILE,
    search: SpreadSearch = NO_SEARCH,
) -> Ingested:
    """Ingest an inspected source. The profile applies to a new book only: an existing book keeps its own.

    Raises:
        InputError: the source cannot be used, or the id is taken.
        StorageError: the storage root cannot be written.
    """
    return ingest(
        book.path,
        root,
        scan_id=scan_id,
        title=title,
        password=book.password,
        found=book.found,
        profile=profile,
        search=search,
    )


def given_password(option: str | None) -> str | None:
    """Return the password from the option; `-` reads a line from standard input.

    Raises:
        CommandLineError: standard input has no such line.
    """
    if option != "-":
        return option
    line = sys.stdin.readline()
    if not line.strip("\r\n"):
        raise CommandLineError(
            "--password - found no password on standard input", hint="write it there on one line"
        )
    return line.rstrip("\r\n")


def _name_in(root: Path, source: str) -> str | None:
    """Return the id of the scan that a source names by its id or its folder; None for a new book."""
    path = root / source if os.sep not in source else Path(source)
    in_root = path.resolve().parent == root.resolve()
    return path.resolve().name if in_root and is_scan_folder(path) else None
