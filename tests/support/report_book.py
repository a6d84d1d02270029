"""A book with outputs, checkpoints and ledgers as the stages leave them: what reports are tried on.

Nothing is read by an engine and no model is asked, so that a book of many pages is there in a moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.money import Money
from checkpointing.page_records import FailedPage, PageRecord
from checkpointing.refs import StageRef
from producer.ingest.ingest_source import ingest
from tests.support.model_inputs import ocr_page, revised_page
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pipeline.assembly import assemble

SCAN = "a-book"
BEGIN = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
READ = "The White Rabbit put on bis spectac1es.\nWhere shall I begin, he asked."
CORRECTED = "The White Rabbit put on his spectacles.\nWhere shall I begin, he asked."
EDITS = (
    {"original": "bis", "corrected": "his", "kind": "character_substitution", "confidence": 0.98},
    {"original": "spectac1es.", "corrected": "spectacles.", "kind": "character_substitution", "confidence": 0.75},
)
Output = Mapping[str, Any]


def offline_deployment(root: Path) -> Deployment:
    """The parts of a deployment whose broker is down."""
    settings = Settings(storage_root=root, redis_url="redis://127.0.0.1:1/0")
    return Deployment(settings, make_app(settings))


def page_picture(number: int, size: tuple[int, int] = (250, 350)) -> Image.Image:
    """A page that can be told from others by the bar at its top."""
    picture = Image.new("L", size, 238)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 20 + 5 * number, 30), fill=30)
    for line in range(60, size[1] - 40, 14):
        draw.line((20, line, size[0] - 20, line), fill=90, width=2)
    return picture


def make_book(
    root: Path, pictures: Iterable[Image.Image], title: str = "Through the Looking-Glass"
) -> "ReportBook":
    """A scan, ingested from page images.

    Args:
        root: the storage root; made.
        pictures: of its pages.
        title: of the book.
    """
    folder = root.parent / "pictures"
    folder.mkdir(parents=True)
    root.mkdir()
    for number, picture in enumerate(pictures, start=1):
        picture.save(folder / f"page_{number}.jpg", quality=60)
    ingest(folder, root, scan_id=SCAN, title=title)
    return ReportBook(root)


class ReportBook:
    """One scan in a storage root.

    Args:
        root: the storage root.
    """

    def __init__(self, root: Path) -> None:
        self.parts = offline_deployment(root)
        self.metadata = self.parts.store.metadata(SCAN)
        self.pages = range(1, self.metadata.total_pages + 1)

    @property
    def path(self) -> Path:
        return self.parts.store.scan(SCAN).path

    def output_path(self, stage: str, page: int) -> Path:
        return self.parts.store.outputs(StageRef(SCAN, stage)).path_of(page)

    def complete(
        self,
        stage: str,
        outputs: Mapping[int, Output],
        failed: Sequence[FailedPage] = (),
        cost_micro: Mapping[int, int] | None = None,
        seconds_each: float = 2.0,
        calls: bool = True,
    ) -> None:
        """Let pages of a stage be complete, one after the other, and others be in quarantine.

        Args:
            stage: which.
            outputs: by page, as parsed JSON.
            failed: pages that were given up.
            cost_micro: what each page cost, in micro-dollars.
            seconds_each: between one completion and the next.
            calls: whether the ledger has the calls as well; a file each, which takes its time.
        """
        file, folder = (
            self.parts.store.checkpoint_file(StageRef(SCAN, stage)),
            self.parts.store.outputs(StageRef(SCAN, stage)),
        )
        spent = {page: Money.from_micro(cost) for page, cost in (cost_micro or {}).items()}
        maker = self.parts.store.stages.get(stage)
        with file.exclusive() as checkpoint:
            checkpoint.total_pages = self.metadata.total_pages
            checkpoint.request(1, self.metadata.total_pages)
            checkpoint.begin()
            for place, (page, output) in enumerate(outputs.items()):
                record = PageRecord(
                    sha256=folder.save(page, maker.schema.model_validate(output)),
                    schema_version=maker.version,
                    cost_usd=spent.get(page, Money()).usd,
                    seconds=1.5,
                    attempts=1,
                    completed_at=BEGIN + timedelta(seconds=seconds_each * (place + 1)),
                )
                checkpoint.complete(page, record, counts=not spent)
            for each in failed:
                checkpoint.fail(each)
            checkpoint.note_ledger(spent)
            if not checkpoint.pending():
                checkpoint.settle()
            if len(checkpoint.pages) == self.metadata.total_pages:
                assemble(maker, folder, checkpoint)
            file.save(checkpoint)
        for page, micro in (cost_micro or {}).items() if calls else ():
            self.pay(stage, page, micro)

    def pay(self, stage: str, page: int, micro: int, *, answered: bool = True) -> None:
        """Note a call in the ledger: one that cost so many micro-dollars, or one that was never answered."""
        ledger = Ledger(self.path, stage)
        call = Call(
            attempt=new_attempt(),
            scan_id=SCAN,
            stage=stage,
            page=page,
            provider="a-provider",
            model="a-model",
            request_sha256="1" * 64,
            most_micro=max(micro, 900),
        )
        ledger.ask(call)
        if answered:
            ledger.answer(call.model_copy(update={"cost_micro": micro, "answered_at": BEGIN}))

    def read(self, text: str = READ, confidence: float = 0.95) -> dict[int, Output]:
        """What the OCR stage writes for each page."""
        return {
            page: ocr_page(("header", f"HEAD {page}"), ("body", text), page=page, confidence=confidence)
            for page in self.pages
        }

    def read_with_places(self, *, words: bool = True) -> dict[int, Output]:
        """The same with lines, and with their words: each line is 10 pixels high, each word 20 wide."""
        found = self.read()
        for output in found.values():
            output["page_dimensions"] = {"width": 250, "height": 350}
            for order, region in enumerate(output["regions"]):
                region["bbox"] = [20, 60 + 50 * order, 200, 40]
                region["lines"] = [
                    _line(text, 60 + 50 * order + 14 * place, words)
                    for place, text in enumerate(region["text"].split("\n"))
                ]
        return found

    def corrected(self, read: str = READ, text: str = CORRECTED) -> dict[int, Output]:
        """What the correction writes for each page; the second asks for a review."""
        edits = [{"region": "r2", **edit} for edit in EDITS] if text == CORRECTED else []
        found = {}
        for page in self.pages:
            reasons = ("The last line is hard to make out.",) if page == 2 else ()
            output = revised_page(("header", f"HEAD {page}"), ("body", read), page=page, reasons=reasons)
            output["regions"][1]["text"] = text
            found[page] = {**output, "edits": edits}
        return found

    def structured(self, heading: str = "Looking-Glass House") -> dict[int, Output]:
        """What the structure stage writes for each page; a chapter begins on the first and on the third."""
        found = {}
        for page in self.pages:
            text = f"{heading}\n{CORRECTED}" if page in {1, 3} else CORRECTED
            headings = [{"region": "r1", "text": f"{heading} {page}", "level": 1}] if page in {1, 3} else []
            found[page] = {
                "page_number": page,
                "printed_page_number": str(page + 10),
                "running_head": None,
                "running_foot": None,
                "headings": headings,
                "blocks": [{"region": "r1", "type": "heading"}, {"region": "r2", "type": "body"}],
                "regions": [{"id": "r1", "text": f"{heading} {page}"}, {"id": "r2", "text": text}],
                "skipped": False,
                "llm": revised_page(page=page)["llm"],
            }
        return found

    def through_all_stages(self) -> None:
        """Let all pages be complete in all four stages."""
        self.complete("ocr", self.read())
        self.complete("correction", self.corrected(), cost_micro=dict.fromkeys(self.pages, 400))
        self.complete("fix", self.corrected(), cost_micro={2: 900})
        self.complete("structure", self.structured(), cost_micro=dict.fromkeys(self.pages, 100))


def _line(text: str, y: int, words: bool) -> Output:
    """A line of an OCR output; a word with a digit in it has a confidence of 0.5, others 0.99."""
    line: dict[str, Any] = {
        "bbox": [20, y, 200, 10],
        "polygon": [[20, y], [220, y], [220, y + 10], [20, y + 10]],
        "text": text,
        "confidence": 0.95,
    }
    if words:
        line["words"] = [
            {
                "text": word,
                "confidence": 0.5 if any(map(str.isdigit, word)) else 0.99,
                "bbox": [20 + 22 * place, y, 20, 10],
            }
            for place, word in enumerate(text.split())
        ]
    return line
