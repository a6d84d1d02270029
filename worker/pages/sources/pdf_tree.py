"""Count the pages that the page tree of a PDF lists, as far as the tree is stored uncompressed in the file.

pdfium trusts the count in the root of the tree, and refuses to load a page beyond it. If that count is too low,
pages would be missing from the book without an error.
"""

import mmap
import re
from pathlib import Path

from checkpointing.regular_files import open_regular_file

_KIDS = re.compile(rb"/Kids\s*\[([\d\sR]*)\]")
_REFERENCE = re.compile(rb"(\d+)\s+\d+\s+R")
_OBJECT = re.compile(rb"(\d{1,10})\s+\d{1,5}\s+obj\b")
_PAGES = re.compile(rb"/Type\s*/Pages\b")
_PARENT = re.compile(rb"/Parent\b")
# Maximum distance from a node's list of children to the start and the end of its object.
_NEAR_BYTES = 4096


def least_pages(path: Path) -> int:
    """Return a lower bound for the number of pages that the tree lists; 0 if its root is not found.

    A program that appends to a PDF writes a changed object a second time; the last version of an object counts.

    Raises:
        OSError: the file cannot be read.
    """
    children: dict[bytes, list[bytes]] = {}
    roots: set[bytes] = set()
    with open_regular_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for kids in _KIDS.finditer(data):
            before = data[max(0, kids.start() - _NEAR_BYTES) : kids.start()]
            headers = list(_OBJECT.finditer(before))
            end = data.find(b"endobj", kids.end(), kids.end() + _NEAR_BYTES)
            if not headers or end < 0:
                continue
            number, rest = headers[-1][1], before[headers[-1].end() :] + data[kids.end() : end]
            if _PAGES.search(rest):
                children[number] = _REFERENCE.findall(kids[1])
                (roots.discard if _PARENT.search(rest) else roots.add)(number)
    return _leaves(children, roots.pop()) if len(roots) == 1 else 0


def _leaves(children: dict[bytes, list[bytes]], root: bytes) -> int:
    """Count the pages below a node. A child that is not a known node is a page; each node is visited once."""
    found, seen, waiting = 0, {root}, [root]
    while waiting:
        for child in children[waiting.pop()]:
            if child in seen:
                continue
            if child in children:
                seen.add(child)
                waiting.append(child)
            else:
                found += 1
    return found
