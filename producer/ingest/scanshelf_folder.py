"""Make a scan of a folder that Scanshelf left, where it is. Nothing in it is changed.

Scanshelf keeps `source/`, one JSON file a page, and checkpoints where Leafmark does, but says in `metadata.json`
nothing that Leafmark needs to know of the source. That is looked up here, and noted beside it in `leafmark.json`.
Its checkpoints (`checkpointing.file`) and its pages (`worker.scanshelf.pages`) are read as they are.
"""

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import InputError, in_one_line
from checkpointing.fields import now
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import SET_ASIDE, OutputFolder
from checkpointing.regular_files import read_regular, sha256_of
from checkpointing.storage_errors import storage_errors
from producer.ingest.source_check import FoundFile, examine, found_image, identity, natural_key
from worker.pages.metadata import ScanMetadata, ScanSource, SourceFile
from worker.pages.scan import RECORD_BESIDE, ScanFolder
from worker.pages.sources.formats import is_pdf_name
from worker.stages.correction import CorrectedPage, CorrectionStage

_REVIEWS = "needs_review"
_PAGE_IMAGE = re.compile(r"page_(\d{4,})\.png")


def take_in(scan: ScanFolder) -> ScanMetadata:
    """Return what a folder is as a scan, by its `source/`; noted there, so that it is looked up once.

    The `metadata.json` of the folder is another program's, or is missing. Where nothing can be written, the result
    is returned all the same: looking needs no more.

    Raises:
        InputError: `source/` holds no pages that can be used.
        StorageError: the storage cannot be read.
    """
    with storage_errors(scan.path):
        said = _said_by(scan)
        kind, found = _pages_of(scan.source_dir)
        hashes = [sha256_of(file.path) for file in found]
    files = tuple(
        SourceFile(name=file.path.name, pages=file.pages, sha256=sha256)
        for file, sha256 in zip(found, hashes, strict=True)
    )
    title = said.get("title")
    metadata = ScanMetadata(
        scan_id=scan.scan_id,
        title=in_one_line(title if isinstance(title, str) else "") or scan.scan_id,
        total_pages=sum(file.pages for file in files),
        source=ScanSource(kind=kind, name=files[0].name if len(files) == 1 else "source", files=files),
        sha256=identity(kind, hashes),
        created_at=now(),
        taken_over=True,
    )
    path = scan.path / RECORD_BESIDE if scan.metadata_path.exists() else scan.metadata_path
    with contextlib.suppress(OSError):
        write_durably(path, metadata.model_dump_json(indent=2).encode() + b"\n", json.loads)
        take_in_reviews(scan, metadata.total_pages)
    return metadata


def take_in_reviews(scan: ScanFolder, total_pages: int) -> list[int]:
    """Copy corrected pages that Scanshelf was not sure of from `needs_review/` into `corrected/`.

    They were paid for, and say themselves that they need a review: the stage `fix` sees to that. A page that has a
    valid output there is left alone, and one that Leafmark has set aside does not come back.

    Returns:
        The pages that were copied.

    Raises:
        OSError: the storage failed; the rest is copied the next time.
    """
    schema = OutputSchema.of(CorrectedPage, CorrectionStage.version)
    reviews = OutputFolder(scan.path / _REVIEWS, schema)
    outputs = OutputFolder(scan.path / CorrectionStage.output_dir, schema)
    taken = []
    for page in sorted(page for page in reviews.pages() if page <= total_pages):
        aside = outputs.path / SET_ASIDE / outputs.path_of(page).name
        if aside.exists() or outputs.check(page).valid or not reviews.check(page).valid:
            continue
        # What stands there does not count; a copy of it stays.
        outputs.set_aside(page)
        make_folder(outputs.path)
        write_durably(outputs.path_of(page), read_regular(reviews.path_of(page)), schema.parse)
        taken.append(page)
    return taken


def _said_by(scan: ScanFolder) -> dict[str, Any]:
    """Return the content of the other program's `metadata.json`; empty if there is none."""
    try:
        data: dict[str, Any] = json.loads(read_regular(scan.metadata_path))
    except FileNotFoundError:
        return {}
    return data


def _pages_of(source: Path) -> tuple[Literal["pdf", "images"], Sequence[FoundFile]]:
    """Return the files that hold the pages, in page order.

    Its later versions made an image of each page of its PDFs and read those; the earlier ones read the PDFs.
    """
    if not source.is_dir():
        raise InputError(f"{source} is missing", hint="put the book's PDF, or its page images, there")
    names = sorted((path.name for path in source.iterdir()), key=natural_key)
    images = {int(match[1]): source / name for name in names if (match := _PAGE_IMAGE.fullmatch(name))}
    pdfs = [source / name for name in names if is_pdf_name(name) and not name.startswith(".")]
    if images and sorted(images) == list(range(1, len(images) + 1)):
        for path in images.values():
            if path.exists() and not path.is_file():
                raise InputError(f"{path} is not a regular file", hint="put the page's image there")
        return "images", [found_image(images[page]) for page in sorted(images)]
    if pdfs:
        return "pdf", [examine(path).files[0] for path in pdfs]
    if images:
        missing = min(set(range(1, max(images))) - images.keys())
        raise InputError(f"{source} has no page_{missing:04d}.png, and no PDF", hint="put one of them there")
    raise InputError(f"{source} holds neither a PDF nor images page_0001.png, ...", hint="put the book's PDF there")
