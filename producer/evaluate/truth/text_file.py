"""Plain text in UTF-8. A form feed separates pages, as `pdftotext` writes them."""

from pathlib import Path

from checkpointing.errors import InputError
from checkpointing.regular_files import read_regular
from producer.evaluate.truth.truth_page import TruthPage

_FORM_FEED = "\f"


def read_text(path: Path) -> list[TruthPage]:
    """Return the pages of a text file.

    Raises:
        InputError: it is not UTF-8.
        OSError: it cannot be read.
    """
    pages = decoded(path).split(_FORM_FEED)
    # One after the last page begins no other page.
    if len(pages) > 1 and not pages[-1].strip():
        del pages[-1]
    return [TruthPage(text) for text in pages]


def decoded(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        InputError: it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1})", hint="save it as UTF-8") from None
