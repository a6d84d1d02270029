"""ALTO, version 1 to 4, with one page or several in a file.

Text is taken as it is printed: a word that is divided at the end of a line stays divided (`HYP`), and the whole
word (`SUBS_CONTENT`) is not used. Blocks come in the order of the file, except that those of the lower margin come
last.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from producer.evaluate.truth.truth_page import TruthPage
from producer.evaluate.truth.xml_file import children, descendants, elements, local_name

ROOT = "alto"
# The schema puts all margins before the text, also the lower one, which is read last.
_SPACES = ("TopMargin", "LeftMargin", "PrintSpace", "RightMargin", "BottomMargin")
_HYPHEN = "-"


def read_alto(path: Path) -> Iterator[TruthPage]:
    """Yield the pages of an ALTO file.

    Raises:
        InputError: it cannot be used.
        OSError: it cannot be read.
    """
    for element in elements(path):
        if local_name(element) == "Page":
            yield TruthPage("\n".join(_lines(element)), _number(element))
            element.clear()


def _lines(page: Element) -> Iterator[str]:
    for space in sorted(children(page, *_SPACES), key=lambda each: _SPACES.index(local_name(each))):
        yield from filter(None, map(_line_text, descendants(space, "TextLine")))


def _line_text(line: Element) -> str:
    words: list[str] = []
    divided = False
    for element in children(line, "String", "HYP"):
        content = element.get("CONTENT", "").strip()
        if local_name(element) == "String":
            words.append(content)
            divided = element.get("SUBS_TYPE") == "HypPart1"
        elif words:
            hyphen = content or _HYPHEN
            # Some programs write the hyphen into the word as well.
            words[-1] = words[-1].removesuffix(hyphen) + hyphen
            divided = False
    if divided and words[-1][-1:].isalnum():
        words[-1] += _HYPHEN
    return " ".join(filter(None, words))


def _number(page: Element) -> int | None:
    number = page.get("PHYSICAL_IMG_NR", "")
    return int(number) if number.isdecimal() else None
