"""The books that a command line names: scans by their ids, new books by their paths, looked at before all else."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointing.errors import CommandLineError, InputError
from checkpointing.refs import check_scan_id
from producer.ingest.ingest_source import Ingested, ingest
from producer.ingest.source_check import FoundSource, examine
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.scan import is_scan_folder, list_scans
from worker.pages.sources.pdfium import PasswordMissingError
from worker.storage.book_store import BookStore
from worker.storage.root_marker import NotALibraryError
from worker.text.suggestions import closest

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Book:
    """A book that a command line names.

    Attributes:
        path: of the source; of the scan's folder where it is one.
        scan_id: of a scan that is there already; None for a source.
        found: what is in the source; None for a scan, and for a folder of another program's.
        password: of the source, where it needs one.
    """

    path: Path
    scan_id: str | None = None
    found: FoundSource | None = None
    password: str | None = None


def check_names(sources: Sequence[object], scan_id: str | None, title: str | None) -> None:
    """Check that what names one book is not given to several.

    Raises:
        CommandLineError: it is.
        InputError: the id is none.
    """
    given = "--scan-id" if scan_id is not None else "--title" if title is not None else ""
    if given and len(sources) > 1:
        raise CommandLineError(f"{given} names one book, and here are {len(sources)}; ingest that one by itself")
    if scan_id is not None:
        check_scan_id(scan_id)


def look_at_scan_or_source(store: BookStore, given: str, password: str | None) -> Book:
    """Look at what is named; a scan of that very id goes before a file of that name. Writes nothing.

    Raises:
        InputError: it is neither a scan nor a source that can be used.
        UnknownNameError: the scan's record is gone.
    """
    name = _name_in(store.root, given)
    if name is not None:
        return Book(store.root / name, store.metadata(name).scan_id)
    if os.sep not in given and not Path(given).exists():
        close = closest(given, list_scans(store.root))
        if close:
            raise InputError(f"{given} is no file here, and there is no such scan; did you mean {close!r}?")
        try:
            store.library.check()
        except NotALibraryError as error:
            raise InputError(f"there is no file {given} here, and {error}") from None
    return look_at_source(Path(given), password)


def look_at_source(path: Path, password: str | None) -> Book:
    """Look at a source. Asks for the password of an encrypted PDF where there is a terminal to ask on.

    Raises:
        InputError: it cannot be used.
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
) -> Ingested:
    """Ingest a source that was looked at. The profile is that of a new book: one that is there keeps its own.

    Raises:
        InputError: it cannot be used, or the id is taken.
        StorageError: the root cannot be written.
    """
    return ingest(
        book.path,
        root,
        scan_id=scan_id,
        title=title,
        password=book.password,
        found=book.found,
        profile=profile,
    )


def given_password(option: str | None) -> str | None:
    """Return the password that the option gives; `-` reads a line from standard input.

    Raises:
        CommandLineError: there is no such line.
    """
    if option != "-":
        return option
    line = sys.stdin.readline()
    if not line.strip("\r\n"):
        raise CommandLineError("--password - reads a line from standard input, and there is none")
    return line.rstrip("\r\n")


def _name_in(root: Path, source: str) -> str | None:
    """The id of the scan that a source names, by its id or as the folder that it is; None for a new book."""
    path = root / source if os.sep not in source else Path(source)
    in_root = path.resolve().parent == root.resolve()
    return path.resolve().name if in_root and is_scan_folder(path) else None
