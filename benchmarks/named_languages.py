"""How surely a page is doubted that is not in the language named for it, and how rarely one that is.

Texts are in `benchmarks/old_print/TAG-NAME.txt`: old spelling, verse, indexes, tables, quotations. The folder that
`LEAFMARK_TEXTS` names has more, in `TAG/NAME.txt`, with empty lines between paragraphs.
"""

import os
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.report import note, report
from worker.ocr.language_plausibility import language_doubts

TEXTS_VARIABLE = "LEAFMARK_TEXTS"
_OLD_PRINT = Path(__file__).parent / "old_print"
_LETTERS_A_PAGE = (200, 500, 1500)
_OTHERS = 8
"""How many other languages each page is tried with."""
_RELATED = (
    {"nb", "nn", "da", "sv"},
    {"hr", "sr-Latn", "bs", "sl"},
    {"sr", "mk", "bg", "ru", "uk", "be"},
    {"cs", "sk", "pl", "sl", "hr", "sr-Latn"},
    {"id", "ms"},
    {"es", "pt", "gl", "ca", "oc", "it", "la", "eo"},
    {"fr", "oc"},
    {"nl", "af"},
    {"de", "lb"},
    {"hi", "mr", "ne"},
    {"el", "grc"},
)
"""Languages that are hard to tell apart are reported by themselves."""
_MISREAD = {
    "e": "co",
    "c": "eo",
    "a": "ou",
    "n": "ur",
    "u": "nv",
    "i": "lj",
    "l": "it",
    "t": "lf",
    "f": "ts",
    "h": "bk",
}
"""Letters that look alike; others become any letter of the page."""


def run(page_count: int = 8, rounds: int = 1, changes: Iterable[str] = ()) -> None:
    """Measure and report.

    Args:
        page_count: most pages of each text and size.
        rounds: how often each page is judged, for its time.
        changes: names of what is done to the pages before they are judged; default all.
    """
    pages = list(_pages(page_count))
    tags = sorted({tag for tag, _, _ in pages})
    note(f"{len(pages)} pages in {len(tags)} languages: {' '.join(tags)}")
    for change in changes or _CHANGES:
        false, caught, related = Counter[bool](), Counter[bool](), Counter[bool]()
        for number, (tag, name, text) in enumerate(pages):
            chance = random.Random(f"{number} {tag} {change}")
            read = _CHANGES[change](text, chance)
            doubted = bool(list(language_doubts(read, [tag])))
            false[doubted] += 1
            if doubted:
                note(f"doubted with {change}: {tag}, {name}: {' '.join(text.split())[:90]}")
            for other in chance.sample(tags, _OTHERS):
                if other != tag:
                    counts = related if any({tag, other} <= group for group in _RELATED) else caught
                    counts[bool(list(language_doubts(read, [other])))] += 1
        for kind, counts in (
            ("pages in the language named", false),
            ("pages in another language", caught),
            ("pages in a related language", related),
        ):
            share = 100 * counts[True] / max(1, counts.total())
            report(f"doubted of {kind}, {change}", share, "%", f"{counts.total():,} cases", None)
    _report_time([text for _, _, text in pages], rounds)


def _report_time(texts: list[str], rounds: int) -> None:
    long = sorted(texts, key=len)[-100:]
    started = time.process_time()
    for _ in range(rounds):
        for text in long:
            list(language_doubts(text, ["de", "la"]))
    milliseconds = 1000 * (time.process_time() - started) / rounds / len(long)
    letters = sum(_letters(text) for text in long) // len(long)
    report(f"time of the check, a page of {letters:,} letters", milliseconds, "CPU ms", "none", None)


def _pages(page_count: int) -> Iterator[tuple[str, str, str]]:
    """Yield the tag, the name and the text of each page."""
    for path in sorted(_OLD_PRINT.glob("*.txt")):
        tag, name = path.stem.split("-", 1)
        yield tag, name, path.read_text(encoding="utf-8")
    folder = os.environ.get(TEXTS_VARIABLE)
    if not folder:
        note(f"Only a few texts: {TEXTS_VARIABLE} does not name a folder of more")
        return
    for path in sorted(Path(folder).glob("*/*.txt")):
        paragraphs = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
        for size in _LETTERS_A_PAGE:
            cut = list(_cut(paragraphs, size))
            for text in cut if len(cut) <= page_count else random.Random(str(path)).sample(cut, page_count):
                yield path.parent.name, f"{path.stem}, {size} letters", text


def _cut(paragraphs: list[str], letters: int) -> Iterator[str]:
    """Yield pages of at least so many letters."""
    page: list[str] = []
    for paragraph in paragraphs:
        page.append(paragraph)
        if _letters("".join(page)) >= letters:
            yield "\n".join(page)
            page = []


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _with_errors(share: float) -> Callable[[str, random.Random], str]:
    """Return what changes, leaves out or adds a share of the letters, and splits or joins as many words."""

    def misread(text: str, chance: random.Random) -> str:
        letters = sorted({each for each in text if each.islower()} or {each for each in text if each.isalpha()})
        return "".join(
            _misread_one(each, letters, chance)
            if chance.random() < share and (each.isalpha() or each == " ")
            else each
            for each in text
        )

    return misread


def _misread_one(character: str, letters: list[str], chance: random.Random) -> str:
    if character == " ":
        return chance.choice(["", " "])
    alike = _MISREAD.get(character, "")
    other = chance.choice(alike if alike and chance.random() < 0.6 else letters)
    return chance.choices([other, "", character + other, f"{character} "], [12, 3, 3, 2])[0]


def _without_accents(text: str, _chance: random.Random) -> str:
    split = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(each for each in split if not unicodedata.combining(each)))


_CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "as printed": lambda text, _: text,
    "5 % wrong characters": _with_errors(0.05),
    "10 % wrong characters": _with_errors(0.1),
    "20 % wrong characters": _with_errors(0.2),
    "accents left out": _without_accents,
    "f for long s": lambda text, _: re.sub(r"[s\u017f](?=\w)", "f", text),
}
