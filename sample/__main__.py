"""`python -m sample DEST.pdf [--pages N]`: write the sample book and print where it is."""

import argparse
import sys
from pathlib import Path

from checkpointing.errors import LeafmarkError, StorageError
from sample.book import pages
from sample.files import write_pdf


def main() -> None:
    """Parse the command line and write the book."""
    parser = argparse.ArgumentParser(prog="python -m sample", description="Write the sample book as a PDF.")
    parser.add_argument("dest", metavar="DEST.pdf", type=Path, help="where to write it; an old one is replaced")
    parser.add_argument(
        "--pages",
        metavar="N",
        type=_page_count,
        help="how many pages; past the book's end its text pages repeat under new numbers",
    )
    arguments = parser.parse_args()
    try:
        path = write_pdf(arguments.dest, pages(arguments.pages))
    except LeafmarkError as error:
        parser.exit(error.exit_code, f"{error}\n")
    except OSError as error:
        parser.exit(StorageError.exit_code, f"{arguments.dest} cannot be written: {error.strerror}\n")
    sys.stdout.write(f"{path}\n")


def _page_count(argument: str) -> int:
    if not argument.isdecimal() or int(argument) < 1:
        raise argparse.ArgumentTypeError(f"a book has one page or more, not {argument}")
    return int(argument)


if __name__ == "__main__":
    main()
