"""Remove what `make demo` made, and nothing else: the sample book's PDF and the scan made from it.

`python -I sample/clean.py demo` needs the standard library only. Books of the user may be in the same storage root,
with ledgers of what they cost: they stay, and are named.
"""

import filecmp
import shutil
import sys
from pathlib import Path

_BOOK = "the-rabbit-hole"
_STATE = ".leafmark"


def clean(demo: Path) -> list[Path]:
    """Remove the sample book and its scan.

    Args:
        demo: the folder of the demo.

    Returns:
        What is left in it, because the demo did not make it: scans by their folder, other files.
    """
    book, scans = demo / f"{_BOOK}.pdf", demo / "scans"
    scan = scans / _BOOK
    if _is_of_the_demo(scan, book):
        shutil.rmtree(scan)
    own = _entries(scans)
    if [path.name for path in own] in ([_STATE], []):
        # The broker and the notes of the demo's runs; with other scans there they are about those as well.
        shutil.rmtree(scans, ignore_errors=True)
        own = []
    left = [path for path in own if path.name != _STATE]
    left += [path for path in _entries(demo) if path not in (book, scans)]
    if scan not in left:
        book.unlink(missing_ok=True)
    if not _entries(demo) and demo.is_dir() and not demo.is_symlink():
        demo.rmdir()
    return left


def _is_of_the_demo(scan: Path, book: Path) -> bool:
    """Whether a scan was made from the sample book: its source is that file, to the byte."""
    source = scan / "source" / book.name
    real = scan.is_dir() and not scan.is_symlink() and source.is_file() and book.is_file()
    return real and filecmp.cmp(source, book, shallow=False)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


if __name__ == "__main__":
    for kept in clean(Path(sys.argv[1])):
        sys.stderr.write(f"make clean: {kept} was not made by the demo and stays\n")
