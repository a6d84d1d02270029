"""A scan: its id, its folder, and the metadata written when it is ingested.

    <root>/<scan_id>/metadata.json            what the scan is; its presence makes the folder a scan
    <root>/<scan_id>/leafmark.json            the same, where another program wrote metadata.json
    <root>/<scan_id>/source/                  the PDF or the page images, as they came
    <root>/<scan_id>/<output_dir>/            one JSON a page, for each stage
    <root>/<scan_id>/checkpoints/<stage>.json
    <root>/<scan_id>/logs/

After ingest only `producer.ingest.metadata_file` changes the metadata, under a lock, and replaces the file in one
step: a reader needs no lock, and sees the old or the new file. Whoever keeps what it has read compares the file's
stat.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from checkpointing.errors import InputError, UnknownNameError
from checkpointing.fields import PageNumber, Sha256
from checkpointing.plurals import counted
from checkpointing.refs import MAX_SCAN_ID_LENGTH, check_scan_id, is_scan_id
from checkpointing.regular_files import NotRegularFileError, read_regular
from checkpointing.storage_errors import storage_error
from worker.pages.book_profile import NO_PROFILE, BookProfile, says_nothing
from worker.pages.sources.formats import bare_name
from worker.text.suggestions import closest

RECORD_BESIDE = "leafmark.json"
"""Our record of a scan whose `metadata.json` is another program's, which stays as it is."""

# A plain name: metadata.json may be edited by hand, and must not lead out of source/.
_FileName = Annotated[str, StringConstraints(pattern=r"^[^./\x00][^/\x00]*$")]


def suggest_scan_id(source_name: str) -> str:
    """Return an id made from the name of a file or folder: `My Book (1888).pdf` gives `my-book-1888`.

    Other letters are transliterated (`Война и мир` gives `voyna-i-mir`); a name with nothing left gives `scan`.
    """
    return _slug(_transliterated(bare_name(source_name)))


def older_scan_id(source_name: str) -> str:
    """Return the id that earlier versions made from a name: whatever is not Latin was dropped."""
    return _slug(unicodedata.normalize("NFKD", bare_name(source_name)).encode("ascii", "ignore").decode())


def _slug(plain: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return slug[:MAX_SCAN_ID_LENGTH].rstrip("-") or "scan"


def _transliterated(text: str) -> str:
    """The text in ASCII. Signs that are a syllable or a word each stand apart."""
    if text.isascii():
        return text
    from anyascii import anyascii  # noqa: PLC0415  # its tables are for names that need them

    # Letters with accents as one character each: some systems store names with the accent after the letter.
    plain = unicodedata.normalize("NFC", text)
    return "".join(char if char.isascii() else _in_ascii(char, anyascii(char)) for char in plain)


def _in_ascii(char: str, letters: str) -> str:
    category = unicodedata.category(char)
    if category == "Lo" and letters[:1].isupper():
        return f" {letters} "
    # The mark of a soft or a glottal sound does not end a word; an apostrophe does.
    return letters.replace("'", "") if category.startswith("L") else letters


class ForeignScanError(InputError):
    """A folder that another program made: it can be taken in as a scan (`producer.ingest.scanshelf_folder`)."""


class _Record(BaseModel):
    """Read-only; fields that a newer version adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SourceFile(_Record):
    """One file in `source/`.

    Attributes:
        name: as stored.
        pages: how many it holds; more than one for a PDF or a multi-page TIFF.
        sha256: of the stored bytes.
    """

    name: _FileName
    pages: PositiveInt
    sha256: Sha256


class ReplacedPage(_Record):
    """A page that was scanned anew after the ingest, and what it replaces.

    Attributes:
        page: which page of the book.
        kind: of the file that it is in now.
        file: that it is in now.
        place: which page of that file it is.
        original: name of the file that was given.
        replaced_at: when.
        before: name of the file in `source/` in which the page as it was is kept.
        before_sha256: of that file.
        before_place: which page of that file it was.
    """

    page: PageNumber
    kind: Literal["pdf", "images"]
    file: SourceFile
    place: PositiveInt
    original: str
    replaced_at: AwareDatetime
    before: _FileName
    before_sha256: Sha256
    before_place: PositiveInt


class ScanSource(_Record):
    """Where the pages of a scan come from.

    Attributes:
        kind: a PDF, or page images.
        name: of the file or folder that was ingested.
        files: in page order, as they were ingested.
        replaced: pages that were scanned anew, the latest last: of several for one page that one counts.
    """

    kind: Literal["pdf", "images"]
    name: str
    files: tuple[SourceFile, ...] = Field(min_length=1)
    replaced: tuple[ReplacedPage, ...] = ()

    def ingested(self, page: int) -> tuple[SourceFile, int]:
        """Return the ingested file that a page is in, and its place there, from 1.

        Raises:
            ValueError: there is no such page.
        """
        before = 0
        for file in self.files:
            if page <= before + file.pages:
                return file, page - before
            before += file.pages
        raise ValueError(f"there is no page {page}")

    @property
    def replacements(self) -> dict[int, ReplacedPage]:
        """What counts of the pages that were scanned anew, by page."""
        return {each.page: each for each in self.replaced}


class ScanMetadata(_Record):
    """The content of `metadata.json`.

    Attributes:
        scan_id: names the scan and its folder.
        title: for people; never empty.
        total_pages: of the whole book.
        source: the files the pages are in.
        sha256: tells whether two sources are the same. For a PDF it is the hash of the file that was
            ingested, before any decryption. For images it is the hash over the files' hashes in page order:
            the same pictures in the same order are the same book, whatever the files are called.
        created_at: when the scan was ingested.
        taken_over: whether another program made the folder; its files stay beside.
        profile: how the book is read, in place of the settings of the workers; left out where it says nothing.
    """

    scan_id: str
    title: str = Field(min_length=1)
    total_pages: PageNumber
    source: ScanSource
    sha256: Sha256
    created_at: AwareDatetime
    taken_over: bool = False
    profile: BookProfile = Field(default=NO_PROFILE, exclude_if=says_nothing)

    @model_validator(mode="after")
    def _pages_add_up(self) -> Self:
        in_files = sum(file.pages for file in self.source.files)
        if in_files != self.total_pages:
            raise ValueError(f"total_pages is {self.total_pages}, but the files hold {counted(in_files, 'page')}")
        if any(each.page > in_files or each.place > each.file.pages for each in self.source.replaced):
            raise ValueError("a page that was replaced is not in the book, or not in its file")
        return self


@dataclass(frozen=True, slots=True)
class ScanFolder:
    """Where everything of one scan is.

    Attributes:
        root: the storage root that all scans are in.
        scan_id: must pass `check_scan_id`.

    Raises:
        InputError: the id could lead out of the root.
    """

    root: Path
    scan_id: str

    def __post_init__(self) -> None:
        check_scan_id(self.scan_id)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / self.scan_id

    @property
    def source_dir(self) -> Path:
        """The PDF or the page images."""
        return self.path / "source"

    @property
    def metadata_path(self) -> Path:
        """The file that makes the folder a scan."""
        return self.path / "metadata.json"

    @property
    def record_path(self) -> Path:
        """Where `read_metadata` reads: `metadata.json`, or `leafmark.json` beside one of another program."""
        beside = self.path / RECORD_BESIDE
        return beside if beside.is_file() else self.metadata_path

    def is_taken_over(self, metadata: ScanMetadata) -> bool:
        """Whether another program made the folder: what Leafmark did not put there may be that program's."""
        kept = self.path / "checkpoints"
        return metadata.taken_over or self.record_path.name == RECORD_BESIDE or any(kept.glob("*.json.version-*"))

    @property
    def logs_dir(self) -> Path:
        """The logs of this scan."""
        return self.path / "logs"

    def checkpoint_path(self, stage: str) -> Path:
        """The checkpoint of a stage."""
        return self.path / "checkpoints" / f"{stage}.json"

    def output_dir(self, name: str) -> Path:
        """The folder of a stage's outputs, `name` being the stage's `output_dir`."""
        return self.path / name

    def read_metadata(self) -> ScanMetadata:
        """What the scan is.

        Raises:
            UnknownNameError: there is no such scan.
            ForeignScanError: another program made it, and nobody has taken it in yet.
            InputError: `metadata.json` is broken, or belongs to another scan.
            StorageError: it cannot be read just now.
        """
        path = self.record_path
        try:
            content = read_regular(path)
        except (FileNotFoundError, NotADirectoryError):
            raise self._foreign() if is_scan_folder(self.path) else self._unknown() from None
        except (NotRegularFileError, IsADirectoryError):
            raise InputError(
                f"{path} is not a regular file; "
                "restore it from a backup, or move the folder away and ingest the source again"
            ) from None
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            metadata = ScanMetadata.model_validate_json(content)
        except ValidationError as error:
            if _is_foreign(content):
                raise self._foreign() from None
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(
                f"{path} is broken ({where}: {first['msg']}); "
                "restore it from a backup, or move the folder away and ingest the source again"
            ) from error
        # A file system that ignores case finds `book` under `BOOK`: two names for one folder, with a Redis
        # lock each. A folder copied under a new name would share the old one's history.
        if metadata.scan_id != self.scan_id:
            raise InputError(
                f"{path} belongs to the scan '{metadata.scan_id}', not to '{self.scan_id}'; "
                f"use that id, or give the folder that name again"
            )
        return metadata

    def _foreign(self) -> ForeignScanError:
        return ForeignScanError(
            f"{self.path} was made by another program; `producer status {self.scan_id}` takes it in as it is"
        )

    def _unknown(self) -> UnknownNameError:
        close = closest(self.scan_id, list_scans(self.root))
        hint = f"did you mean '{close}'?" if close else "`producer status` lists the scans"
        return UnknownNameError(f"there is no scan '{self.scan_id}' under {self.root}; {hint}")


def is_scan_folder(path: Path) -> bool:
    """Whether a folder holds a scan: one of ours, or one that another program left with its checkpoints."""
    # Whatever stands there: a book whose metadata cannot be read is reported, and not left out.
    return (path / "metadata.json").exists() or ((path / "checkpoints").is_dir() and (path / "source").is_dir())


_OF_A_BOOK = ("checkpoints", "source", "ocr", "corrected", "structured")
"""Folders that a book has, whichever program made it."""


def incomplete_folders(root: Path) -> list[tuple[Path, str]]:
    """The folders under a storage root that belong to a book and are not a scan, each with what is missing.

    Raises:
        StorageError: the root cannot be read.
    """
    try:
        entries = sorted(entry for entry in root.iterdir() if is_scan_id(entry.name) and not is_scan_folder(entry))
        held = {entry: [name for name in _OF_A_BOOK if (entry / name).is_dir()] for entry in entries}
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, root) from error
    return [(entry, _what_is_missing(entry, names)) for entry, names in held.items() if names]


def _what_is_missing(folder: Path, names: list[str]) -> str:
    if "source" in names:
        return (
            f"metadata.json and checkpoints are missing; `producer ingest {folder / 'source'}` makes a scan of it"
        )
    return f"its source is missing; put the book's PDF, or its page images, into {folder / 'source'}"


def _is_foreign(content: bytes) -> bool:
    """Whether a `metadata.json` is whole, and of another program: it says nothing of what we always say."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and bool(data) and not {"scan_id", "sha256"} & data.keys()


def list_scans(root: Path) -> list[str]:
    """The ids of all scans under a storage root, sorted; none where the root is missing.

    Raises:
        StorageError: the root cannot be read.
    """
    try:
        return sorted(entry.name for entry in root.iterdir() if is_scan_id(entry.name) and is_scan_folder(entry))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, root) from error
