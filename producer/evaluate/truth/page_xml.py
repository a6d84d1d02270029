"""PAGE-XML, as Transkribus, eScriptorium, LAREX and OCR-D write it: one page a file.

Regions come in the order that `ReadingOrder` gives; those that it does not name follow in the order of the file.
The text of a line is its `TextEquiv` with the lowest `index`, else its words; the text of a region without such
lines is its own `TextEquiv`.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from producer.evaluate.truth.truth_page import TruthPage
from producer.evaluate.truth.xml_file import children, descendants, elements, local_name

ROOT = "PcGts"
_REFERENCES = {"RegionRef", "RegionRefIndexed"}
_ORDERED = {"OrderedGroup", "OrderedGroupIndexed"}
_GROUPS = {*_ORDERED, "UnorderedGroup", "UnorderedGroupIndexed"}


def read_page_xml(path: Path) -> list[TruthPage]:
    """Return the page of a PAGE-XML file.

    Raises:
        InputError: it cannot be used.
        OSError: it cannot be read.
    """
    pages = (element for element in elements(path) if local_name(element) == "Page")
    return [TruthPage("\n".join(filter(None, map(_region_text, _regions(page))))) for page in pages]


def _regions(page: Element) -> list[Element]:
    found = {
        element.get("id", str(place)): element for place, element in enumerate(descendants(page, "TextRegion"))
    }
    order = [name for name in _reading_order(page) if name in found]
    return [found[name] for name in dict.fromkeys([*order, *found])]


def _reading_order(page: Element) -> Iterator[str]:
    """Yield the ids of regions in reading order."""
    waiting = [group for order in children(page, "ReadingOrder") for group in children(order, *_GROUPS)]
    while waiting:
        element = waiting.pop(0)
        # A group that stands for a region names it as well.
        if (name := element.get("regionRef")) is not None:
            yield name
        members = list(children(element, *_REFERENCES, *_GROUPS))
        if local_name(element) in _ORDERED:
            members.sort(key=_index)
        waiting[:0] = members


def _region_text(region: Element) -> str:
    lines = filter(None, map(_line_text, children(region, "TextLine")))
    return "\n".join(lines) or _text_equiv(region)


def _line_text(line: Element) -> str:
    return _text_equiv(line) or " ".join(filter(None, map(_text_equiv, children(line, "Word"))))


def _text_equiv(element: Element) -> str:
    """Return the text of the `TextEquiv` with the lowest index; empty if there is none."""
    readings = sorted(children(element, "TextEquiv"), key=_index)
    texts = (each.text or "" for reading in readings[:1] for each in children(reading, "Unicode"))
    return "".join(texts).strip()


def _index(element: Element) -> int:
    """Return the index of an element; the first one if it has none."""
    index = element.get("index", "")
    return int(index) if index.isdecimal() else 0
