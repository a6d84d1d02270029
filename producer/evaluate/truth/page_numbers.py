"""Which page a file is about, by its name.

`page_0001.txt`, `0001.gt.txt` and `12.xml` are clear. Of several numbers in a name, the one that follows `page`
counts, else the only one in which the files of the folder differ. Anything else is refused.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from checkpointing.errors import InputError

_NUMBER = re.compile(r"\d+")
_AFTER_PAGE = re.compile(r"(?:^|[^a-z])(?:page|seite)[ _.-]?(\d{1,7})(?!\d)", re.IGNORECASE)
_HINT = "name the files by their pages, as in page_0001.txt"


def numbered(paths: Sequence[Path]) -> dict[int, Path]:
    """Return the files of a folder by the numbers of their pages.

    Raises:
        InputError: a name does not give one number, or two files are about one page.
    """
    differing = _differing_place(paths)
    found: dict[int, Path] = {}
    for path in paths:
        number = number_in(path, differing)
        if number is None:
            raise InputError(f"{path} has no clear page number in its name", hint=_HINT)
        if number in found:
            raise InputError(
                f"{found[number].name} and {path.name} in {path.parent} are both about page {number}", hint=_HINT
            )
        found[number] = path
    return dict(sorted(found.items()))


def number_in(path: Path, differing: int | None = None) -> int | None:
    """Return the number in the name of a file; None if it has none, or several of which none is the clear one.

    Args:
        path: the file.
        differing: which of several numbers differs between the files of the folder, from 0.
    """
    name = stem(path)
    if (after_page := _AFTER_PAGE.findall(name)) and len(after_page) == 1:
        return int(after_page[0])
    numbers = _NUMBER.findall(name)
    if len(numbers) > 1 and differing is not None:
        return int(numbers[differing])
    return int(numbers[0]) if len(numbers) == 1 else None


def stem(path: Path) -> str:
    """Return the name of a file before its first suffix that is not a number: `0001` for `0001.gt.txt`."""
    name = path.name
    while (suffix := Path(name).suffix) and not suffix[1:].isdecimal():
        name = name[: -len(suffix)]
    return name


def _differing_place(paths: Sequence[Path]) -> int | None:
    """Return which of the numbers in the names is the only one that differs, from 0; None if there is none."""
    numbers = [_NUMBER.findall(stem(path)) for path in paths]
    if len({len(each) for each in numbers}) != 1:
        return None
    places = [place for place, column in enumerate(zip(*numbers, strict=True)) if len(set(column)) > 1]
    return places[0] if len(places) == 1 else None
