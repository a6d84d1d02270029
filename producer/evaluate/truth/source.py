"""Find the known texts of a book: a folder with a file for each page, or one file with one or more pages."""

from collections.abc import Callable, Iterable
from pathlib import Path

from checkpointing.errors import InputError, UnknownNameError
from checkpointing.plurals import counted
from checkpointing.storage_errors import storage_errors
from producer.evaluate.truth.alto import ROOT as ALTO_ROOT
from producer.evaluate.truth.alto import read_alto
from producer.evaluate.truth.hocr import ROOT as HTML_ROOT
from producer.evaluate.truth.hocr import read_hocr
from producer.evaluate.truth.page_numbers import number_in, numbered
from producer.evaluate.truth.page_xml import ROOT as PAGE_ROOT
from producer.evaluate.truth.page_xml import read_page_xml
from producer.evaluate.truth.text_file import read_text
from producer.evaluate.truth.truth_page import TruthPage
from producer.evaluate.truth.xml_file import root_name

Reader = Callable[[Path], Iterable[TruthPage]]
_TEXT, _XML = ".txt", ".xml"
_BY_SUFFIX: dict[str, Reader] = {
    _TEXT: read_text,
    **dict.fromkeys((".hocr", ".html", ".htm", ".xhtml"), read_hocr),
}
_BY_ROOT: dict[str, Reader] = {PAGE_ROOT: read_page_xml, ALTO_ROOT: read_alto, HTML_ROOT: read_hocr}
_SUFFIXES = frozenset({*_BY_SUFFIX, _XML})
_KINDS = "text files (.txt), PAGE-XML, ALTO (.xml) or hOCR (.hocr, .html)"


class Truth:
    """The known texts of a book's pages.

    Args:
        path: of the folder or file, as the user gave it.
        texts: by page number, from 1; each gives the text.
    """

    def __init__(self, path: Path, texts: dict[int, Callable[[], str]]) -> None:
        self.path = path
        self._texts = texts

    @property
    def pages(self) -> frozenset[int]:
        """The pages whose text is known."""
        return frozenset(self._texts)

    def text(self, page: int) -> str:
        """Return the text of a page.

        Raises:
            InputError: its file cannot be used.
            StorageError: its file cannot be read.
        """
        return self._texts[page]()


def find_truth(path: Path, total_pages: int, only: frozenset[int] | None = None) -> Truth:
    """Return the truth in a folder or file. The files of a folder are read later, one at a time.

    Args:
        path: the folder or file.
        total_pages: of the book.
        only: the pages that are to be measured; None for all. One file about a page that its name does not tell is
            about the page named here.

    Raises:
        InputError: there is nothing that can be used, or it is not clear which page a text is about.
        UnknownNameError: the book does not have such a page.
        StorageError: it cannot be read.
    """
    with storage_errors(path):
        texts = _in_folder(path) if path.is_dir() else _in_file(path, total_pages, only)
    _check_numbers(path, texts, total_pages)
    return Truth(path, texts)


def _in_folder(folder: Path) -> dict[int, Callable[[], str]]:
    files = [each for each in sorted(folder.iterdir()) if each.suffix.lower() in _SUFFIXES and each.name[0] != "."]
    if not files:
        raise InputError(f"there is no truth in {folder}", hint=f"put {_KINDS} there, one for each page")
    return {number: _reader_of_one_page(path) for number, path in numbered(files).items()}


def _reader_of_one_page(path: Path) -> Callable[[], str]:
    def read() -> str:
        with storage_errors(path):
            pages = _pages_in(path)
        if len(pages) != 1:
            raise InputError(
                f"{path} holds {counted(len(pages), 'page')}, and a file of a folder is about one",
                hint="name the file itself with --truth",
            )
        return pages[0].text

    return read


def _in_file(path: Path, total_pages: int, only: frozenset[int] | None) -> dict[int, Callable[[], str]]:
    if not path.exists():
        raise InputError(f"there is no file or folder {path}")
    pages = _pages_in(path)
    if not pages:
        raise InputError(f"there is no page in {path}")
    if len(pages) > 1:
        numbers = _numbers_inside(path, pages)
    elif only is not None and len(only) == 1:
        numbers = list(only)
    elif total_pages == 1:
        numbers = [1]
    else:
        numbers = [_number_by_name(path)]
    return {number: _giver(page.text) for number, page in zip(numbers, pages, strict=True)}


def _giver(text: str) -> Callable[[], str]:
    return lambda: text


def _numbers_inside(path: Path, pages: list[TruthPage]) -> list[int]:
    """Return the numbers of a file's pages: its own if all pages have one, and their places if none has."""
    numbers = [page.number for page in pages if page.number is not None]
    if not numbers:
        return list(range(1, len(pages) + 1))
    if len(set(numbers)) != len(pages):
        raise InputError(f"{path} gives its pages no clear numbers: some are missing or the same")
    return numbers


def _number_by_name(path: Path) -> int:
    number = number_in(path)
    if number is None:
        raise InputError(
            f"{path} has no clear page number in its name", hint="say which page it is about with --pages"
        )
    return number


def _check_numbers(path: Path, texts: dict[int, Callable[[], str]], total_pages: int) -> None:
    if min(texts) < 1:
        raise InputError(f"{path} has a page {min(texts)}, and pages are numbered from 1")
    if max(texts) > total_pages:
        raise UnknownNameError(
            f"{path} has a page {max(texts)}, and the book has {counted(total_pages, 'page')}",
            hint="check that the truth is that of this book",
        )


def _pages_in(path: Path) -> list[TruthPage]:
    """Return the pages of a file.

    Raises:
        InputError: it cannot be used.
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == _XML:
        name = root_name(path)
        if name not in _BY_ROOT:
            raise InputError(f"{path} is neither PAGE-XML nor ALTO nor hOCR: it begins with <{name}>")
        return list(_BY_ROOT[name](path))
    if suffix not in _BY_SUFFIX:
        raise InputError(f"{path} cannot be read as truth", hint=f"use {_KINDS}")
    return list(_BY_SUFFIX[suffix](path))
