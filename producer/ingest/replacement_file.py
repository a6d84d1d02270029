"""The files of a page that is replaced: checks the new one, stores it, keeps the old one, and records both."""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from checkpointing.atomic import sync_folder
from checkpointing.errors import InputError, PageError, in_one_line
from checkpointing.fields import now
from checkpointing.plurals import counted
from checkpointing.regular_files import sha256_of
from producer.ingest.ingest_source import copy_source, sync_file
from producer.ingest.metadata_file import read_form, write_form
from producer.ingest.source_check import examine
from worker.config.settings import Settings
from worker.pages.metadata import ReplacedPage, ScanMetadata, SourceFile
from worker.pages.scan import ScanFolder
from worker.pages.sources.open import open_file

_DIGITS_OF_HASH = 12
_KEPT = re.compile(r"(?P<stem>.+)\.replaced-\d{8}T\d{6}Z(?P<suffix>\.[^.]+)")


@dataclass(frozen=True, slots=True)
class Incoming:
    """The file with the new scan of a page.

    Attributes:
        pages: number of its pages.
        place: which of them is the new page.
        sha256: of the file as given.
        password: decrypts the file before it is stored; None if it is not encrypted.
    """

    path: Path
    kind: Literal["pdf", "images"]
    pages: int
    place: int
    sha256: str
    password: str | None


def examine_incoming(settings: Settings, path: Path, place: int | None, password: str | None) -> Incoming:
    """Check that a file contains the page and that the page can be decoded.

    Raises:
        InputError: it does not, or it cannot be decoded.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="name the file with the new page")
    found = examine(path, password)
    pages = found.files[0].pages
    if place is None and pages > 1:
        raise InputError(f"{path} contains {counted(pages, 'page')}", hint="choose one of them with --from-page")
    if place is not None and place > pages:
        raise InputError(f"--from-page {place} is past the last page of {path} ({pages})")
    incoming = Incoming(
        path, found.kind, pages, place or 1, sha256_of(path), password if found.needs_password else None
    )
    if incoming.password is None:
        _check_readable(settings, incoming)
    return incoming


def _check_readable(settings: Settings, incoming: Incoming) -> None:
    try:
        with contextlib.closing(
            open_file(
                incoming.path, incoming.kind, incoming.pages, dpi=settings.dpi, max_pixels=settings.max_pixels
            )
        ) as source:
            source.page(incoming.place)
    except PageError as error:
        raise InputError(f"the new page cannot be used: {error.message}", hint="name another scan of it") from error


def make_record(metadata: ScanMetadata, page: int, incoming: Incoming) -> tuple[ReplacedPage, str, bool]:
    """Make the record of the replacement for the metadata.

    Returns:
        The record; the name of the old file if it contains only this page and is to be renamed, else empty; and
        whether the page has been replaced by this file before.

    Raises:
        InputError: the page was ingested from this very file.
    """
    suffix = PurePath(incoming.path.name).suffix.lower()
    # Named by its content, so that a command repeated after a crash finds the file that it has stored.
    name = f"page_{page:04d}-{incoming.sha256[:_DIGITS_OF_HASH]}{suffix}"
    in_force = metadata.source.replacements.get(page)
    if in_force is not None and (in_force.file.name, in_force.place) == (name, incoming.place):
        return in_force, "", True
    at = now()
    _, old, old_place, half = metadata.source.place_of(page)
    if in_force is None and (old.sha256, old_place) == (incoming.sha256, incoming.place):
        raise InputError(f"page {page} was ingested from {incoming.path} itself", hint="name a new scan")
    alone = in_force is None and old.pages == 1 and half is None
    kept = PurePath(old.name)
    record = ReplacedPage(
        page=page,
        kind=incoming.kind,
        file=SourceFile(name=name, pages=incoming.pages, sha256=incoming.sha256),
        place=incoming.place,
        original=in_one_line(incoming.path.name) or name,
        replaced_at=at,
        before=f"{kept.stem}.replaced-{at:%Y%m%dT%H%M%SZ}{kept.suffix}" if alone else old.name,
        before_sha256=old.sha256,
        before_place=old_place,
    )
    return record, old.name if alone else "", False


def store_replacement(scan: ScanFolder, record: ReplacedPage, old_name: str, incoming: Incoming) -> None:
    """Store the new file, give the old one a name with the date, then replace the metadata.

    Raises:
        OSError: the storage failed; the page is the old one or the new one.
    """
    stored = scan.source_dir / record.file.name
    _store(incoming, stored)
    file = record.file.model_copy(update={"sha256": sha256_of(stored)})
    if old_name:
        _give_second_name(scan.source_dir / old_name, scan.source_dir / record.before)
    sync_folder(scan.source_dir)
    form = read_form(scan)
    for each in form["source"]["files"]:
        if each["name"] == old_name:
            each["name"] = record.before
    replaced = record.model_copy(update={"file": file}).model_dump(mode="json")
    form["source"]["replaced"] = [*form["source"].get("replaced", []), replaced]
    write_form(scan, form)


def _store(incoming: Incoming, stored: Path) -> None:
    """Copy the new file, decrypted if it needs a password. A file under its final name is always whole."""
    temp = stored.with_name(".replacement.tmp")
    temp.unlink(missing_ok=True)
    try:
        copy_source(incoming.path, temp, incoming.password)
        temp.replace(stored)
    finally:
        temp.unlink(missing_ok=True)


def _give_second_name(old: Path, kept: Path) -> None:
    """Give a file a second name, which is used once the metadata has it. Does nothing for a missing file."""
    try:
        os.link(old, kept)
    except (FileNotFoundError, FileExistsError):
        return
    except OSError:
        # Not every file system supports hard links.
        shutil.copyfile(old, kept)
        sync_file(kept)


def remove_old_name(scan: ScanFolder, kept: str) -> None:
    """Remove the old name of a file that is kept under the name with the date."""
    match = _KEPT.fullmatch(kept)
    if match is None:
        return
    old = scan.source_dir / f"{match['stem']}{match['suffix']}"
    if old.name in {file.name for file in scan.read_metadata().source.files}:
        return
    with contextlib.suppress(FileNotFoundError):
        if sha256_of(old) == sha256_of(scan.source_dir / kept):
            old.unlink()
            sync_folder(old.parent)
