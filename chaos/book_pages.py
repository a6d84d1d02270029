"""Books whose OCR is done: words of the sample book with misread letters, as the OCR stage writes them."""

import random
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pypdfium2

from checkpointing.fields import now
from sample.text import CHAPTERS
from worker.ocr.layout.region_types import RegionType
from worker.pages.metadata import ScanMetadata, ScanSource, SourceFile
from worker.pages.scan import ScanFolder
from worker.stages.ocr import Dimensions, OcrPage
from worker.stages.ocr_regions import OcrRegion

_HASH = "a" * 64
_SOURCE = "a.pdf"
_PAGE_POINTS = 100
_WIDTH, _HEIGHT = 1000, 1400
_WORDS_A_PAGE = 70
_LINE_WORDS = 9
_MISREADINGS = {"l": "1", "e": "c", "h": "b", "o": "0", "u": "n"}
_MISREAD_SHARE = 0.05
# Of the pages, those with a region that was hard to read: the fix stage looks at their pictures.
_HARD_SHARE = 0.2
_SURE, _HARD = 0.95, 0.5
_WORDS = tuple(word for chapter in CHAPTERS for paragraph in chapter.paragraphs for word in paragraph.split())


def write_book(root: Path, scan_id: str, first: int, last: int, seed: int) -> None:
    """Write a scan that was ingested and whose pages from `first` to `last` were read.

    Raises:
        OSError: the storage has no room for it.
    """
    scan = ScanFolder(root, scan_id)
    scan.source_dir.mkdir(parents=True)
    _write_pdf(scan.source_dir / _SOURCE, last)
    folder = scan.path / "ocr"
    folder.mkdir()
    rng = random.Random(f"book {seed} {first}")
    for page in range(first, last + 1):
        (folder / f"page_{page:04d}.json").write_text(_read_page(page, rng).model_dump_json())
    file = SourceFile(name=_SOURCE, pages=last, sha256=_HASH)
    metadata = ScanMetadata(
        scan_id=scan_id,
        title="A Book",
        total_pages=last,
        source=ScanSource(kind="pdf", name=_SOURCE, files=(file,)),
        sha256=_HASH,
        created_at=now(),
    )
    scan.metadata_path.write_text(metadata.model_dump_json())


def _write_pdf(path: Path, pages: int) -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(_PAGE_POINTS, _PAGE_POINTS).close()
    # In memory first, so that a full disk raises OSError and not an error of the PDF library.
    written = BytesIO()
    document.save(written)
    path.write_bytes(written.getvalue())
    document.close()


def _read_page(page: int, rng: random.Random) -> OcrPage:
    start = rng.randrange(len(_WORDS) - _WORDS_A_PAGE)
    words = [_misread(word, rng) for word in _WORDS[start : start + _WORDS_A_PAGE]]
    middle = len(words) // 2
    confidences = (_SURE, _HARD if rng.random() < _HARD_SHARE else _SURE)
    regions = tuple(
        OcrRegion(
            id=f"r{order}",
            type=RegionType.BODY,
            bbox=(100, 500 * order - 400, 800, 400),
            text=_lines(part),
            confidence=confidence,
            reading_order=order,
        )
        for order, (part, confidence) in enumerate(
            zip((words[:middle], words[middle:]), confidences, strict=True), start=1
        )
    )
    return OcrPage(
        page_number=page,
        page_dimensions=Dimensions(width=_WIDTH, height=_HEIGHT),
        regions=regions,
        blank=False,
        ocr_timestamp=datetime.now(UTC),
        engine="list",
        engine_version="list 1",
        dpi=300.0,
        seconds=0.5,
    )


def _misread(word: str, rng: random.Random) -> str:
    return "".join(_MISREADINGS.get(letter, letter) if rng.random() < _MISREAD_SHARE else letter for letter in word)


def _lines(words: list[str]) -> str:
    starts = range(0, len(words), _LINE_WORDS)
    return "\n".join(" ".join(words[start : start + _LINE_WORDS]) for start in starts)
