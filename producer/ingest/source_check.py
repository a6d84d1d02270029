"""Inspect a source that the user wants to ingest, before anything is written."""

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from checkpointing.errors import InputError, StorageError, in_one_line
from checkpointing.plurals import counted
from worker.pages.sources.formats import IMAGE_FORMATS, is_image_name, is_pdf_name
from worker.pages.sources.images import inspect_image
from worker.pages.sources.pdfium import inspect_pdf

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that holds pages.

    Attributes:
        path: current path of the file.
        pages: number of pages; at least 1 for an image that cannot be opened, so that its pages are quarantined
            later instead of missing from the book.
        readable: whether the file opened.
        broken: where and why the chain of frames of a TIFF breaks, so that everything after it counts as one page;
            empty if it is complete.
    """

    path: Path
    pages: int
    readable: bool = True
    broken: str = ""


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A PDF, or page images in order.

    Attributes:
        kind: which of the two.
        name: name of the file or folder, on one line and without characters that UTF-8 cannot encode.
        files: in page order; a single one for a PDF.
        ignored_files: number of entries of the folder that are not page images.
        needs_password: whether the PDF has to be stored decrypted.
    """

    kind: Literal["pdf", "images"]
    name: str
    files: tuple[FoundFile, ...]
    ignored_files: int = 0
    needs_password: bool = False


def examine(path: Path, password: str | None = None) -> FoundSource:
    """Inspect a PDF, a folder of page images, or a single page image.

    The path itself may be a symbolic link. A page in a folder must be a regular file inside it: if a page is a link
    out of the folder, a FIFO or a device, the whole source is rejected, because the book would be incomplete
    without that page.

    Raises:
        InputError: the source has no pages or cannot be read.
    """
    try:
        if path.is_dir():
            return _examine_folder(path)
        if not path.exists():
            raise InputError(f"{path} does not exist", hint="check the path")
        if not path.is_file():
            raise InputError(f"{path} is {_kind_of(path)}", hint="give a PDF, a page image or a folder")
        if is_pdf_name(path.name):
            pages, needs_password = inspect_pdf(path, password)
            file = FoundFile(path, pages)
            return FoundSource("pdf", in_one_line(path.name), (file,), needs_password=needs_password)
        if is_image_name(path.name):
            return _image_source(path, [path], ignored_files=0)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except StorageError as error:
        # The unreadable file is the user's, not one in the storage root.
        raise InputError(f"cannot read {error}") from error
    raise InputError(f"{path} is neither a PDF nor a page image ({IMAGE_FORMATS})", hint="rename it if it is one")


def identity(kind: Literal["pdf", "images"], file_hashes: list[str]) -> str:
    """Return the hash that identifies a source; see `ScanMetadata.sha256`."""
    if kind == "pdf" and len(file_hashes) == 1:
        return file_hashes[0]
    return hashlib.sha256("\n".join(file_hashes).encode()).hexdigest()


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that orders file names by their numbers, ignoring case: `page2.png` before `page10.png`.

    Names with equal numbers (`page1`, `page01`) are ordered by the name itself, so that the order never depends on
    the file system.
    """
    parts = re.split(r"(\d+)", PurePath(name).stem.casefold())
    return [int(part) if part.isdecimal() else part for part in parts], name


def _examine_folder(folder: Path) -> FoundSource:
    entries = list(folder.iterdir())
    # A dangling link with the name of a page is a lost page, and must not be ignored.
    pages = [entry for entry in entries if is_image_name(entry.name) and not entry.is_dir()]
    pdfs = sorted(entry.name for entry in entries if is_pdf_name(entry.name) and entry.is_file())
    if pdfs:
        raise _pdfs_among(folder, pdfs, len(pages))
    if not pages:
        raise InputError(f"{folder} contains no page images", hint=f"supported formats are {IMAGE_FORMATS}")
    pages.sort(key=lambda page: natural_key(page.name))
    check_inside(folder, pages)
    return _image_source(folder, pages, ignored_files=len(entries) - len(pages))


def _pdfs_among(folder: Path, pdfs: list[str], pages: int) -> InputError:
    """Return the error for a folder with PDFs: the user has to choose which of its files is the book."""
    named = [shlex.quote(str(folder / name)) for name in pdfs]
    these = " ".join(named) if len(pdfs) <= _MAX_NAMED else f"{shlex.quote(str(folder))}/*.pdf"
    there = counted(len(pdfs), "PDF")
    if pages:
        images = counted(pages, "page image")
        return InputError(
            f"{folder} contains {there} and {images}, but a book is one or the other",
            hint=f"name what to ingest: {these}, or a folder that contains only the images",
        )
    each = "name it" if len(pdfs) == 1 else "each is a book; name them"
    return InputError(f"{folder} contains {there} and no page images", hint=f"{each}: {these}")


def check_inside(folder: Path, pages: Sequence[Path]) -> None:
    """Check that every page is a regular file inside a folder, before any of them is opened.

    Symbolic links are followed: a link to a regular file inside the folder is accepted.

    Raises:
        InputError: some pages are not; the message names them.
    """
    inside = Path(os.path.realpath(folder))
    refused = [f"{page.name} is {what}" for page in pages if (what := _not_inside(page, inside))]
    if refused:
        named = "; ".join(refused[:_MAX_NAMED])
        more = len(refused) - _MAX_NAMED
        raise InputError(
            f"{folder}: only regular files inside the folder are copied, and "
            f"{named}{f'; and {more} more' if more > 0 else ''}. "
            "Replace them by the pages themselves, or remove them from the folder"
        )


def _not_inside(page: Path, inside: Path) -> str:
    """Return what a page is instead of a regular file inside the folder; empty if it is one."""
    target = Path(os.path.realpath(page))
    if not page.is_file():
        return "a link to nothing" if page.is_symlink() and not page.exists() else _kind_of(page)
    return "" if target.is_relative_to(inside) else f"a link out of it, to {target}"


def _kind_of(path: Path) -> str:
    """Describe what a path leads to, if it is not a regular file."""
    what = next((words for is_kind, words in _KINDS if is_kind(path.stat().st_mode)), "something else")
    return f"a link to {what}" if path.is_symlink() else what


def _image_source(path: Path, pages: list[Path], *, ignored_files: int) -> FoundSource:
    for page in pages:
        if not page.name.isprintable():
            raise InputError(f"the name {page.name!r} in {path} has unprintable characters", hint="rename the file")
    files = tuple(found_image(page) for page in pages)
    if not any(file.readable for file in files):
        raise InputError(f"{path}: no page image can be opened", hint="check that the files are not damaged")
    return FoundSource("images", in_one_line(path.name), files, ignored_files)


def found_image(path: Path) -> FoundFile:
    """Inspect an image file.

    Raises:
        StorageError: the file cannot be read.
    """
    facts = inspect_image(path)
    return FoundFile(path, facts.pages, facts.opens, facts.broken)
