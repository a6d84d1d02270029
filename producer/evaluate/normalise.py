"""The rules that both texts go through before they are compared. Each has a name, which every result lists."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

_LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])-[^\S\n]*\n\s*(?=([^\W\d_]))")


@dataclass(frozen=True, slots=True)
class Rule:
    """One change of a text.

    Attributes:
        name: as results list it.
        about: what it does, in words.
        apply: takes a text, returns the changed one.
    """

    name: str
    about: str
    apply: Callable[[str], str]


def _replacing(replacements: dict[str, str]) -> Callable[[str], str]:
    table = str.maketrans({char: to for chars, to in replacements.items() for char in chars})
    return lambda text: text.translate(table)


def _unicode_form(form: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(form, text)  # type: ignore[arg-type]  # the names are below


def _spaces(text: str) -> str:
    return " ".join(text.split())


def _join_lines(text: str) -> str:
    return _LINE_END_HYPHEN.sub(lambda found: "" if found[1].islower() else found[0], text)


def _umlauts(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\u0364", "\u0308"))


_CANONICAL = Rule("canonical_form", "Unicode's form NFC", _unicode_form("NFC"))
_SPACES = Rule("spaces", "a line break or a run of white space is one space", _spaces)

AS_READ = (_CANONICAL, _SPACES)
"""What does not change a text: how it is encoded, and where its lines break."""

NORMALISED = (
    _CANONICAL,
    Rule(
        "quotes",
        "every quotation mark is `'` or `\"`",
        _replacing(
            {
                "\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u00b4`": "'",
                "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033": '"',
            }
        ),
    ),
    Rule("long_s", "long s is s", _replacing({"\u017f": "s"})),
    Rule(
        "ligatures",
        "ff, fi, fl, ffi, ffl and st are their letters",
        _replacing(
            {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05\ufb06": "st"}
        ),
    ),
    Rule("umlauts", "a small e above a letter is two dots", _umlauts),
    Rule("ellipsis", "an ellipsis is three full stops", _replacing({"\u2026": "..."})),
    Rule(
        "compatibility_form",
        "Unicode's form NFKC: superscripts, fractions, full-width letters",
        _unicode_form("NFKC"),
    ),
    Rule(
        "dashes",
        "every hyphen and dash is `-`",
        _replacing({"\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e17\u2e40\u00ac\u00ad": "-"}),
    ),
    Rule(
        "line_end_hyphens",
        "a word that is divided at the end of a line is joined, where it goes on with a small letter",
        _join_lines,
    ),
    _SPACES,
)
"""What people argue about: spellings of one letter or sign. Capitals and punctuation stay as they are."""


def normalised(text: str, rules: tuple[Rule, ...]) -> str:
    """Return a text after all rules, in their order."""
    for rule in rules:
        text = rule.apply(text)
    return text
