"""The tree of pages of a PDF, as far as it stands uncompressed in the file: how many pages does it list?

pdfium believes the count that the root of the tree gives, and a page beyond it cannot be asked for: of a tree that
counts too few, pages would be missing from the book without a word.
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
# How far the object of a node reaches before and after its list of children, at the most.
_NEAR_BYTES = 4096


def least_pages(path: Path) -> int:
    """How many pages the tree lists at the least; 0 where the file does not show its root.

    Of an object that was written anew, as programs do that append to a file, the last version counts.

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
    """The pages below a node. A child that is not a known node is a page; each node is looked at once."""
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
