"""Ingest a PDF or a folder of page images as a scan.

The scan is built in a hidden folder of the storage root, synced to disk, and then renamed to its final name in one
step: if the process is killed at any time, the scan exists completely or not at all. A later ingest removes a
staging folder that a crash left behind, if it has not changed for a day.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checkpointing.atomic import make_folder, sync_folder
from checkpointing.errors import InputError, LeafmarkError, in_one_line
from checkpointing.fields import now
from checkpointing.plurals import counted
from checkpointing.refs import check_scan_id
from checkpointing.regular_files import open_regular_file, sha256_of
from checkpointing.storage_errors import storage_errors
from producer.ingest.scanshelf_folder import take_in
from producer.ingest.source_check import FoundFile, FoundSource, examine, identity
from producer.ingest.spread_search import NO_SEARCH, FoundSpreads, SpreadSearch, find_spreads
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.metadata import ScanMetadata, ScanSource, SourceFile
from worker.pages.scan import ForeignScanError, ScanFolder, is_scan_folder
from worker.pages.scan_ids import older_scan_id, suggest_scan_id
from worker.pages.sources.formats import bare_name
from worker.pages.sources.pdfium import PdfFacts, inspect_pdf, save_decrypted
from worker.pages.sources.small import SourceImage
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import library_at

_ABANDONED_SECONDS = 24 * 60 * 60
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result of an ingest.

    Attributes:
        metadata: of the scan, as stored.
        created: False if this source was already ingested under this id, and nothing was done.
        ignored_files: number of entries of the folder that are not page images.
        unreadable_files: number of page images that do not open; their pages will fail.
        decrypted: whether the PDF needed its password and was stored without protection.
        broken_files: TIFFs whose chain of frames is broken, each with where and why; everything after the break
            counts as one page, which will fail.
        doubtful_spreads: pictures that may show two pages and stay whole, each with the reason.
    """

    metadata: ScanMetadata
    created: bool
    ignored_files: int = 0
    unreadable_files: int = 0
    decrypted: bool = False
    broken_files: tuple[str, ...] = ()
    doubtful_spreads: dict[int, str] = field(default_factory=dict)


def ingest(  # noqa: PLR0913  # all but two are optional, and named
    source: Path,
    root: Path,
    *,
    scan_id: str | None = None,
    title: str | None = None,
    password: str | None = None,
    found: FoundSource | None = None,
    profile: BookProfile = NO_PROFILE,
    search: SpreadSearch = NO_SEARCH,
) -> Ingested:
    """Copy a source into the storage root as a new scan. Safe to repeat: an existing scan is not changed.

    A PDF that needs a password is stored decrypted, so that no worker needs the password and no file contains it.
    All other files are stored unchanged, including damaged pages.

    Args:
        source: a PDF, a folder of page images (its subfolders are ignored), or one page image. May be a link;
            pages in a folder must be regular files inside it.
        root: the storage root; created if it is missing.
        scan_id: the id of the new scan; made from the source's name by default.
        title: title of the book; the source's name if missing or blank. An existing scan keeps its own.
        password: of an encrypted PDF.
        found: content of the source, if the caller has inspected it already.
        profile: how the book is to be read; an existing scan keeps its own.
        search: how to look for pictures of two pages; by default each picture is one page.

    Raises:
        InputError: the source cannot be used, or the id is not valid or taken by another source.
        StorageError: the root cannot be written.
    """
    source = source.resolve() if source.name in {"", ".."} else source.absolute()
    if scan_id is not None:
        check_scan_id(scan_id)
    if (source / "source").is_dir() and is_scan_folder(source):
        return _already_there(source, root)
    found = found or examine(source, password)
    scan = ScanFolder(root, scan_id or _id_for(found, root))
    title = in_one_line(title or "") or bare_name(found.name) or scan.scan_id
    pictures = FoundSpreads()
    with storage_errors(root):
        if os.path.lexists(scan.path):
            metadata = _same_scan(scan, found, identity(found.kind, [sha256_of(f.path) for f in found.files]))
            created = False
        else:
            metadata, created, pictures = _create(scan, found, title, password, profile, search)
    return Ingested(
        metadata=metadata,
        created=created,
        ignored_files=found.ignored_files,
        unreadable_files=sum(not file.readable for file in found.files),
        broken_files=tuple(f"{file.path.name}: {file.broken}" for file in found.files if file.broken),
        decrypted=found.needs_password,
        doubtful_spreads=pictures.doubts,
    )


def _id_for(found: FoundSource, root: Path) -> str:
    """Return the id made from the source's name, or the id of an earlier version if the scan exists under it."""
    older = ScanFolder(root, older_scan_id(found.name))
    if older.scan_id != suggest_scan_id(found.name) and older.metadata_path.is_file():
        try:
            known = older.read_metadata().sha256
            is_same = known == identity(found.kind, [sha256_of(file.path) for file in found.files])
        except (LeafmarkError, OSError):
            is_same = False
        if is_same:
            return older.scan_id
    return suggest_scan_id(found.name)


def _already_there(folder: Path, root: Path) -> Ingested:
    """Return the scan that a folder is, made by Leafmark or by another program. It must be in the storage root."""
    if folder.parent.resolve() != root.resolve():
        raise InputError(
            f"{folder} is the folder of a scan",
            hint=f"move it into {root}, or set LEAFMARK_STORAGE_ROOT to {folder.parent}",
        )
    return Ingested(_known(ScanFolder(root, folder.name)), created=False)


def _known(scan: ScanFolder) -> ScanMetadata:
    try:
        return scan.read_metadata()
    except ForeignScanError:
        return take_in(scan)


def _create(
    scan: ScanFolder,
    found: FoundSource,
    title: str,
    password: str | None,
    profile: BookProfile,
    search: SpreadSearch,
) -> tuple[ScanMetadata, bool, FoundSpreads]:
    with _staging(scan.root) as staging:
        staged = ScanFolder(staging, scan.scan_id)
        metadata, pictures = _build(staged, found, title, password, profile, search)
        try:
            staged.path.rename(scan.path)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            # Another process ingested a source under the same id in the meantime.
            return _same_scan(scan, found, metadata.sha256), False, pictures
        sync_folder(scan.root)
        return metadata, True, pictures


def _same_scan(scan: ScanFolder, found: FoundSource, sha256: str) -> ScanMetadata:
    """Return the metadata of the scan that has the id already, if it was made from the same source."""
    if not is_scan_folder(scan.path):
        raise InputError(
            f"{scan.path} exists and is not a Leafmark scan (no metadata.json in it)",
            hint="choose another id with --scan-id",
        )
    metadata = _known(scan)
    if metadata.sha256 != sha256 and not _is_beside(scan, sha256):
        pages = counted(sum(file.pages for file in found.files), "page")
        there = (
            f"{counted(metadata.total_pages, 'page')}, ingested {metadata.created_at.astimezone():%Y-%m-%d %H:%M}"
        )
        raise InputError(
            f"the scan id '{scan.scan_id}' is taken by '{metadata.title}' (from '{metadata.source.name}', "
            f"{there}), and '{found.name}' ({pages}) has different content",
            hint="choose another id with --scan-id",
        )
    return metadata


def _is_beside(scan: ScanFolder, sha256: str) -> bool:
    """Return whether the hash is that of the PDF that Scanshelf kept beside the images of its pages."""
    return any(sha256_of(path) == sha256 for path in scan.source_dir.glob("*.pdf"))


@contextlib.contextmanager
def _staging(root: Path) -> Iterator[Path]:
    library_at(root).make()
    area = root / OWN_FOLDER
    make_folder(area)
    _remove_abandoned(area)
    folder = Path(tempfile.mkdtemp(prefix="ingest-", dir=area))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(area: Path) -> None:
    """Remove abandoned staging folders. Ignores errors: the folders may belong to another user."""
    for folder in area.glob("ingest-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _build(
    staged: ScanFolder,
    found: FoundSource,
    title: str,
    password: str | None,
    profile: BookProfile,
    search: SpreadSearch,
) -> tuple[ScanMetadata, FoundSpreads]:
    """Write the complete scan into the staging folder and sync it to disk."""
    make_folder(staged.source_dir, within=staged.root)
    files: list[SourceFile] = []
    hashes: list[str] = []
    for file in found.files:
        os.utime(staged.root)  # so that another ingest does not remove a slow copy as abandoned
        name = _stored_name(found, file)
        stored = staged.source_dir / name
        copy_source(file.path, stored, password if found.needs_password else None)
        if found.needs_password and inspect_pdf(stored) != PdfFacts(file.pages, needs_password=False):
            raise InputError(f"{file.path} lost pages when it was decrypted", hint="decrypt it with another tool")
        files.append(SourceFile(name=name, pages=file.pages, sha256=sha256_of(stored)))
        hashes.append(sha256_of(file.path) if found.needs_password else files[-1].sha256)
    sync_folder(staged.source_dir)
    pictures = find_spreads(images_of(staged.source_dir, found.kind, files), search)
    source = ScanSource(kind=found.kind, name=found.name, files=tuple(files), spreads=pictures.spreads)
    metadata = ScanMetadata(
        scan_id=staged.scan_id,
        title=title,
        total_pages=source.total_pages,
        source=source,
        sha256=identity(found.kind, hashes),
        created_at=now(),
        profile=profile,
    )
    staged.metadata_path.write_text(metadata.model_dump_json(indent=2) + "\n", encoding="utf-8")
    sync_file(staged.metadata_path)
    sync_folder(staged.path)
    return metadata, pictures


def images_of(folder: Path, kind: str, files: Sequence[SourceFile]) -> list[SourceImage]:
    """Return the source images in stored files, in order."""
    places = ((file, place) for file in files for place in range(1, file.pages + 1))
    return [SourceImage(folder / file.name, kind, file.pages, place) for file, place in places]


def _stored_name(found: FoundSource, file: FoundFile) -> str:
    """Return the file's own name, or `book.pdf` for a PDF whose name other programs may not handle."""
    name = file.path.name
    return name if found.kind == "images" or (name.isprintable() and name[0] not in ".-") else "book.pdf"


def copy_source(path: Path, target: Path, password: str | None = None) -> None:
    """Copy a file to a new one, decrypted if a password is given, and sync it to disk.

    Raises:
        OSError: the storage failed.
    """
    if password is None:
        with open_regular_file(path) as original, target.open("xb") as copy:
            shutil.copyfileobj(original, copy)
    else:
        save_decrypted(path, target, password)
    sync_file(target)


def sync_file(path: Path) -> None:
    """Make the content of a file durable.

    Raises:
        OSError: the storage failed.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
