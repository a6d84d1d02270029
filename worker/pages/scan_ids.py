"""Ids for new scans, made from the names of their sources."""

import re
import unicodedata

from checkpointing.refs import MAX_SCAN_ID_LENGTH
from worker.pages.sources.formats import bare_name


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
    """Return the text in ASCII. Signs that are a syllable or a word each stand apart."""
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
