"""`python -m sample.truth_pages DEST --seeds 0-9`: write pages with their truth, and print the files."""

import argparse
import json
import sys
from pathlib import Path

from checkpointing.errors import LeafmarkError, StorageError
from sample.truth_pages.make import make_page
from sample.truth_pages.recipe import Recipe


def main() -> None:
    """Parse the command line and write `page_SEED.png`, its truth `page_SEED.json` and its text `page_SEED.txt`."""
    parser = argparse.ArgumentParser(
        prog="python -m sample.truth_pages", description="Write pages with their truth."
    )
    parser.add_argument("dest", metavar="DEST", type=Path, help="folder to write to; it is made if it is not there")
    parser.add_argument("--seeds", metavar="A-B", type=_seeds, default=range(10), help="default 0-9")
    arguments = parser.parse_args()
    try:
        arguments.dest.mkdir(parents=True, exist_ok=True)
        for seed in arguments.seeds:
            sys.stdout.write(f"{_write(arguments.dest, seed)}\n")
    except LeafmarkError as error:
        parser.exit(error.exit_code, f"{error}\n")
    except OSError as error:
        parser.exit(StorageError.exit_code, f"{arguments.dest} cannot be written: {error.strerror}\n")


def _write(dest: Path, seed: int) -> Path:
    page = make_page(Recipe.of_seed(seed))
    picture = dest / f"page_{seed:07}.png"
    page.image.save(picture, dpi=(page.recipe.dpi, page.recipe.dpi))
    truth = json.dumps(page.truth.as_json(), ensure_ascii=False, indent=1)
    picture.with_suffix(".json").write_text(f"{truth}\n", encoding="utf-8")
    picture.with_suffix(".txt").write_text(f"{page.truth.text}\n", encoding="utf-8")
    return picture


def _seeds(argument: str) -> range:
    first, _, last = argument.partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"seeds are a number or a range such as 0-9, not {argument}")
    return range(int(first), int(last) + 1)


if __name__ == "__main__":
    main()
