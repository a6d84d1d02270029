"""Find words that are repeated by mistake ("could not not go"), but not those repeated on purpose ("had had")."""

import re

_RIGHT_IN = {
    "en": (
        "had that her his you it is do on in so very no ha ho he hee hi far long many much more less never again "
        "now well there bye tut hush knock tick tock ding dong chop quick please yes aye hear row home who what"
    ),
    "de": "der die das sie wer den dem es ach ja nein sehr",
    "fr": "nous vous très non oui",
    "nl": "dat die zij",
    "it": "piano poco quasi",
}
_RIGHT = frozenset(word for words in _RIGHT_IN.values() for word in words.split())
"""Words that are repeated on purpose, or where two clauses meet: "what it is is", "gave her her book"."""
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_TWICE = re.compile(
    rf"(?<![\w{_APOSTROPHES}-])([^\W\d_]{{2,}}(?:[{_APOSTROPHES}][^\W\d_]+)?)\s+\1(?![\w{_APOSTROPHES}-])",
    re.IGNORECASE,
)


def doubled_words(text: str) -> tuple[str, ...]:
    """Return the words that occur twice in a row in a text, in their order, each once.

    Words that a book may repeat are left out: the words of a short list, capitalized words ("Walla Walla", "Hurrah
    Hurrah"), words with punctuation between them, single letters and numbers.
    """
    found = (match for match in _TWICE.finditer(text) if _is_wrong(match))
    return tuple(dict.fromkeys(" ".join(match[0].split()) for match in found))


def _is_wrong(match: re.Match[str]) -> bool:
    again = match[0].split()[-1]
    return again.islower() and again not in _RIGHT
