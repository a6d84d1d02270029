"""hOCR, as Tesseract, Kraken and OCRopus write it, with one page or several in a file.

It is read as HTML, which has no entities of its own, and not as XML.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

from checkpointing.errors import InputError
from producer.evaluate.truth.text_file import decoded
from producer.evaluate.truth.truth_page import TruthPage

ROOT = "html"
_PAGE, _WORD = "ocr_page", "ocrx_word"
# Tesseract gives some lines the name of what they are.
_LINES = frozenset({"ocr_line", "ocrx_line", "ocr_header", "ocr_footer", "ocr_caption", "ocr_textfloat"})
_PARTS = frozenset({_PAGE, _WORD, *_LINES, "ocr_carea", "ocr_par"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_PAGE_NUMBER = re.compile(r"\bppageno\s+(\d{1,7})\b")


def read_hocr(path: Path) -> list[TruthPage]:
    """Return the pages of an hOCR file.

    Raises:
        InputError: it cannot be used.
        OSError: it cannot be read.
    """
    parser = _HocrParser()
    parser.feed(decoded(path))
    parser.close()
    if parser.is_cut_off:
        raise InputError(f"{path} is cut off: it ends inside of a page")
    if not parser.pages:
        raise InputError(f"{path} is not hOCR: it has no element of class {_PAGE}")
    return parser.pages


class _HocrParser(HTMLParser):
    """Collects the text of words and lines, page by page."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[TruthPage] = []
        # Tags that are open, each with its classes that count here.
        self._open: list[tuple[str, frozenset[str]]] = []
        self._text: list[str] = []
        self._number: int | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether a page has begun that does not end."""
        return any(_PAGE in classes for _, classes in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        attributes = dict(attrs)
        classes = _PARTS & set((attributes.get("class") or "").split())
        self._open.append((tag, classes))
        if _PAGE in classes:
            number = _PAGE_NUMBER.search(attributes.get("title") or "")
            self._text = []
            self._number = int(number[1]) + 1 if number else None
        self._separate(classes)

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _ in self._open):
            return
        while self._open:
            name, classes = self._open.pop()
            self._separate(classes)
            if _PAGE in classes:
                self.pages.append(TruthPage(_without_empty_lines("".join(self._text)), self._number))
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        inside = frozenset().union(*(classes for _, classes in self._open))
        if _WORD in inside:
            # Letters may be elements with line breaks between them.
            self._text.append("".join(data.split()))
        elif inside & _LINES:
            self._text.append(" ".join(["", *data.split(), ""]))

    def _separate(self, classes: frozenset[str]) -> None:
        """Note where a word or a line begins or ends."""
        if classes - {_WORD}:
            self._text.append("\n")
        elif classes:
            self._text.append(" ")


def _without_empty_lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(filter(None, lines))
