"""Checks that the text of a page is in the script and in one of the languages that a person named for it.

A page is not judged if no language is named, if a name is not a known language (`script/Fraktur`), or if it has too
little text. The thresholds were measured on texts in 55 languages, also with wrong characters, old spelling and
long s; the figures are in benchmarks/results/named-languages-2026-11-27.md.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from checkpointing.page_records import Doubt
from worker.ocr.engines.languages import known_language
from worker.ocr.scripts import count_scripts, scripts_of

_FEWEST_LETTERS_OF_A_SCRIPT = 100
_FEWEST_LETTERS_OF_A_LANGUAGE = 100
"""In words in lower case. A title page, a table or an index of names has fewer; a page of text with 200 letters has
this many in German too, where nouns have capitals."""
_MOST_LETTERS = 2_000
"""More take time, and do not make the answer surer."""
_OTHER_SCRIPT = 2 / 3
"""Share of the letters. A page of a manual in Chinese or Korean may have 60 % Latin letters."""
_MARGIN = 0.2
"""By how much the logarithm of the likelihood for each letter is higher in another language than in those named.
Higher, pages in Latin or in a related language pass; lower, old spelling and misread letters come close to it."""
_SMALL_E, _UMLAUT = "\u0364", "\u0308"

_LABELS = {
    "bs": {"bs", "hr", "sr"},
    "fil": {"tl"},
    "grc": {"el"},
    "hr": {"bs", "hr", "sr"},
    "kmr": {"ku"},
    "nb": {"nb", "no"},
    "nn": {"nn", "no"},
    "no": {"nb", "nn", "no"},
    "sr": {"bs", "hr", "sr"},
    "sr-Latn": {"bs", "hr", "sr"},
    "zh-Hans": {"zh"},
    "zh-Hant": {"zh"},
}
"""The identifier's labels of languages for which it has another label, or several that it cannot tell apart."""


def language_doubts(text: str, names: Sequence[str]) -> Iterator[Doubt]:
    """Yield why the text of a page cannot be in the languages that were named.

    Args:
        text: of the page, in any order.
        names: of the languages: BCP 47 tags, or names of Tesseract's data files.
    """
    tags = [known_language(name) for name in names]
    if not tags or not all(tags):
        return
    yield from _script_doubt(text, tags) or _language_doubt(text, tags)


def _script_doubt(text: str, tags: Sequence[str]) -> list[Doubt]:
    counts = count_scripts(text)
    letters = counts.total()
    named = frozenset[str]().union(*map(scripts_of, tags))
    other = sum(count for script, count in counts.items() if script not in named)
    if letters < _FEWEST_LETTERS_OF_A_SCRIPT or other <= _OTHER_SCRIPT * letters:
        return []
    script, count = next(each for each in counts.most_common() if each[0] not in named)
    message = (
        f"script: {count / letters:.0%} of {letters:,} letters are {script}, and {' and '.join(tags)} "
        f"{'is' if len(tags) == 1 else 'are'} written in {' or '.join(sorted(named))}"
    )
    return [Doubt(kind="other_script", message=message.replace("%", " %", 1))]


def _language_doubt(text: str, tags: Sequence[str]) -> list[Doubt]:
    words, letters = _running_words(text)
    if letters < _FEWEST_LETTERS_OF_A_LANGUAGE:
        return []
    labels = [_LABELS.get(tag, {tag}) & _known_labels() for tag in tags]
    if not all(labels):
        return []
    named = set().union(*labels)
    # Each half is asked, because in a list of foreign books, or beside a long quotation, they differ.
    middle = len(words) // 2
    halves = [_likelihoods(words[:middle]), _likelihoods(words[middle:])]
    whole = {label: sum(half[label] for half in halves) for label in _known_labels()}
    other = max(whole.keys() - named, key=whole.__getitem__)
    if whole[other] - max(whole[label] for label in named) < _MARGIN * letters:
        return []
    if any(half[other] < max(half[label] for label in named) for half in halves):
        return []
    message = f"language: {letters:,} letters of running text look like {other}, and not like {' or '.join(tags)}"
    return [Doubt(kind="other_language", message=message)]


def _running_words(text: str) -> tuple[list[str], int]:
    """Return the words in lower case, and how many letters they have: names and headings are in any language.

    Words of scripts without capitals are all included.
    """
    # Old prints have a small e over a vowel instead of an umlaut, and long s.
    plain = unicodedata.normalize("NFKC", text.replace(_SMALL_E, _UMLAUT))
    words, letters = [], 0
    for word in plain.split():
        if word == word.lower() and (count := sum(map(str.isalpha, word))):
            words.append(word)
            letters += count
        if letters >= _MOST_LETTERS:
            break
    return words, letters


@cache
def _identifier() -> Any:
    """Load the identifier of languages: 11 MB of memory, and 0.1 s."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  # only where a language is named

    return LanguageIdentifier.from_pickled_model(MODEL_FILE)


def _likelihoods(words: Sequence[str]) -> dict[str, float]:
    """Return the logarithm of the likelihood of each language."""
    identifier = _identifier()
    counts = identifier.instance2fv(" ".join(words))
    found = counts.nonzero()[0]
    # Its own `rank` also multiplies the features that are not there, in threads that take ten times as long.
    scores = (counts[found, None] * identifier.nb_ptc[found]).sum(axis=0) + identifier.nb_pc
    return dict(zip(identifier.nb_classes, scores.tolist(), strict=True))


@cache
def _known_labels() -> frozenset[str]:
    return frozenset(_identifier().nb_classes)
