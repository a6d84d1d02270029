"""What a language gives to a page."""

import re
from dataclasses import dataclass, fields, replace
from typing import Any

_LONG_S = re.compile(r"s(?=[^\W\d_])")
"""An s before another letter. At the end of the first part of a compound it was round, which is not known here."""
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Language:
    """Texts of one language.

    Attributes:
        code: BCP 47.
        prose: running text; paragraphs are made of its sentences.
        verse: stanzas, as lines.
        titles: for running heads and headings.
        captions: for pictures.
        remarks: short, for the margin.
        terms, terms_head: words for the first column of a table, and its head.
        column_heads: for the other columns of a table.
        page: the word before a reference in a note, as in "Compare page 12".
    """

    code: str
    prose: str
    verse: tuple[tuple[str, ...], ...]
    titles: tuple[str, ...]
    captions: tuple[str, ...]
    remarks: tuple[str, ...]
    terms: tuple[str, ...]
    terms_head: str
    column_heads: tuple[str, ...]
    page: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """The prose, divided after full stops, question marks and exclamation marks."""
        found: list[str] = []
        for part in _END_OF_SENTENCE.split(" ".join(self.prose.split())):
            # A small letter follows a stop that is within a sentence, as that of "Josef K. verleumdet".
            if found and part[0].islower():
                found[-1] += f" {part}"
            else:
                found.append(part)
        return tuple(found)

    def with_long_s(self) -> "Language":
        """Return the texts as they are printed in Fraktur, with the long s."""
        texts = (field.name for field in fields(self) if field.name != "code")
        return replace(self, **{name: _with_long_s(getattr(self, name)) for name in texts})


def stanzas(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the stanzas of a poem that are typed with blank lines between them."""
    return tuple(tuple(line.strip() for line in stanza.splitlines()) for stanza in text.strip().split("\n\n"))


def _with_long_s(texts: Any) -> Any:
    if isinstance(texts, str):
        return _LONG_S.sub("\u017f", texts)
    return tuple(_with_long_s(text) for text in texts)
