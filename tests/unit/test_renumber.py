"""Changing which pictures are spreads: pages get other numbers, and what was read and paid for goes with them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpointing.atomic import write_durably
from checkpointing.errors import BrokerError, CheckpointError, InputError
from checkpointing.ledger_entry import State
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.resume import bring_in_line
from producer.planning import renumber as renumber_module
from producer.planning.page_map import map_pages, renumbered_form
from producer.planning.renumber import Renumbering, finish_renumbering, renumber
from producer.planning.stale import find_stale
from tests.support.report_book import SCAN, ReportBook, make_book, page_picture
from worker.pages.geometry.gutter import Gutter
from worker.pages.metadata import ScanMetadata, Spread
from worker.pages.renumbering import JOURNAL, BeingRenumberedError
from worker.pipeline.provenance import describe, source_sha256
from worker.stages.base import MadeFrom

MIDDLE = Gutter(top=(0.5, 0), bottom=(0.5, 1))
SECOND = (Spread(image=2, gutter=MIDDLE),)
PAID = {1: 400, 2: 500, 3: 600}


@pytest.fixture
def book(tmp_path: Path) -> ReportBook:
    """Four pictures; three pages are corrected, and correction has given up the fourth."""
    book = make_book(tmp_path / "scans", [page_picture(number) for number in range(1, 5)])
    book.complete("ocr", {page: with_origin(book, "ocr", page, output) for page, output in book.read().items()})
    corrected = {page: with_origin(book, "correction", page, book.corrected()[page]) for page in PAID}
    failed = [FailedPage(page=4, kind="error", message="no answer")]
    book.complete("correction", corrected, failed, cost_micro=PAID)
    for stage in ("ocr", "correction"):
        note_digests(book, stage)
    book.pay("correction", 4, 900, answered=False)
    return book


def with_origin(book: ReportBook, stage: str, page: int, output: Any) -> dict[str, Any]:
    store = book.parts.store
    if stage == "ocr":
        inputs = {"source": source_sha256(book.metadata.source.place_of(page))}
    else:
        inputs = {"ocr": store.outputs(StageRef(SCAN, "ocr")).sha256(page)}
    return {**output, "made_from": describe(store.stages.get(stage), inputs).model_dump()}


def note_digests(book: ReportBook, stage: str) -> None:
    ref = StageRef(SCAN, stage)
    outputs, file = book.parts.store.outputs(ref), book.parts.store.checkpoint_file(ref)
    with file.exclusive() as checkpoint:
        for page, record in checkpoint.pages.items():
            digest = MadeFrom.model_validate(outputs.load(page)["made_from"]).digest()
            checkpoint.pages[page] = replace(record, made_from=digest)
        file.save(checkpoint)


def change(book: ReportBook, spreads: tuple[Spread, ...]) -> Renumbering:
    metadata = book.parts.store.metadata(SCAN)
    return Renumbering(metadata, spreads, map_pages(metadata.source, spreads), "auto")


def complete_pages(book: ReportBook, stage: str) -> list[int]:
    return sorted(book.parts.store.checkpoint_file(StageRef(SCAN, stage)).read().pages)


def heads(book: ReportBook, stage: str) -> dict[int, str]:
    """The running heads, which tell which page an output was read from."""
    outputs = book.parts.store.outputs(StageRef(SCAN, stage))
    return {page: outputs.load(page)["regions"][0]["text"] for page in sorted(outputs.pages())}


def assert_consistent(book: ReportBook) -> None:
    """Every complete page has a valid output, no page that stayed is stale, and no money was lost."""
    store = book.parts.store
    total_pages = store.metadata(SCAN).total_pages
    for stage in ("ocr", "correction"):
        ref = StageRef(SCAN, stage)
        checkpoint = store.checkpoint_file(ref).read()
        findings = bring_in_line(checkpoint, store.outputs(ref), total_pages, change_nothing=True)
        assert (findings.faults, findings.adopted) == ({}, set())
        assert {
            page: why.inputs for page, why in find_stale(store, ref, checkpoint.pages).items() if why.inputs
        } == {}
    ledger = store.ledger(StageRef(SCAN, "correction"))
    assert ledger.sums().total.micro == sum(PAID.values())
    assert len(ledger.sums().open) == 1
    checkpoint = store.checkpoint_file(StageRef(SCAN, "correction")).read()
    assert checkpoint.total_cost_usd == pytest.approx(sum(PAID.values()) / 1e6)
    assert sum(checkpoint.ledger.values()) == sum(PAID.values())


def test_pages_that_stay_the_same_keep_their_outputs_under_new_numbers(book: ReportBook) -> None:
    renumber(book.parts, change(book, SECOND))
    assert book.parts.store.metadata(SCAN).total_pages == 5
    assert heads(book, "ocr") == {1: "HEAD 1", 4: "HEAD 3", 5: "HEAD 4"}
    assert heads(book, "correction") == {1: "HEAD 1", 4: "HEAD 3"}
    assert (complete_pages(book, "ocr"), complete_pages(book, "correction")) == ([1, 4, 5], [1, 4])
    checkpoint = book.parts.store.checkpoint_file(StageRef(SCAN, "correction")).read()
    assert [failed.page for failed in checkpoint.failed_pages] == [5]
    assert checkpoint.requested == []
    assert_consistent(book)


def test_an_answer_for_a_page_that_is_gone_stays_on_record_and_is_not_used_again(book: ReportBook) -> None:
    renumber(book.parts, change(book, SECOND))
    ledger = book.parts.store.ledger(StageRef(SCAN, "correction"))
    states = {page: [line.state for line in ledger.lines(page)] for page in ledger.pages()}
    assert states == {1: [State.ANSWERED], 2: [State.OLD], 4: [State.ANSWERED], 5: [State.ASKED]}
    assert [call.page for call in ledger.answered(4)] == [4]


def test_a_spread_that_is_joined_again_has_the_numbers_as_before(book: ReportBook) -> None:
    renumber(book.parts, change(book, SECOND))
    renumber(book.parts, change(book, ()))
    metadata = book.parts.store.metadata(SCAN)
    assert (metadata.total_pages, metadata.source.spreads) == (4, ())
    assert heads(book, "ocr") == {1: "HEAD 1", 3: "HEAD 3", 4: "HEAD 4"}
    assert_consistent(book)
    kept = [json.loads(path.read_text()) for path in sorted((book.path / "renumbered").glob("*/metadata.json"))]
    assert [form["total_pages"] for form in kept] == [4, 5]


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def killed_at(step: int, patch: pytest.MonkeyPatch) -> Iterator[int]:
    """Kill the process before its step of that number, counted from 0, that writes or renames."""
    steps = iter(range(1000))

    def dying(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if next(steps) >= step:
                raise Killed
            return real(*arguments, **named)

        return call

    for name in ("write_durably", "write_form", "_put_away", "sync_folder", "make_folder", "_undo"):
        patch.setattr(renumber_module, name, dying(getattr(renumber_module, name)))
    patch.setattr(Path, "rename", dying(Path.rename))
    patch.setattr("producer.planning.renumbered_files.write_durably", dying(write_durably))
    yield step


def test_a_change_that_is_killed_at_any_step_is_finished_or_undone_by_the_next_command(
    book: ReportBook,
) -> None:
    before, done = book.metadata, False
    # The last one is past the end. Every step takes long; those in which folders are exchanged are at the end.
    for step in (0, 3, 14, 23, 26, 28, 31, 35, 1000):
        with pytest.MonkeyPatch.context() as patch:
            next(killed_at(step, patch))
            try:
                renumber(book.parts, change(book, SECOND))
                done = True
            except Killed:
                pass
        if (book.path / JOURNAL).exists():
            with pytest.raises(BeingRenumberedError, match="are being renumbered"):
                book.parts.store.metadata(SCAN)
            assert finish_renumbering(book.parts, SCAN)
        assert not finish_renumbering(book.parts, SCAN)
        assert_consistent(book)
        if book.parts.store.metadata(SCAN).total_pages == 5 and not done:
            renumber(book.parts, change(book, ()))
            # Page 2 was read no more; the rest is as it was.
            assert heads(book, "ocr") == {1: "HEAD 1", 3: "HEAD 3", 4: "HEAD 4"}
        elif not done:
            assert book.parts.store.metadata(SCAN).source == before.source
    assert done


def test_work_on_the_book_is_refused_while_workers_live(book: ReportBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.storage.root_owner.is_held", lambda _root: True)
    with pytest.raises(BrokerError, match="Redis failed"):
        renumber(book.parts, change(book, SECOND))
    book.parts.store.open_stages.add(StageRef(SCAN, "ocr"))
    with pytest.raises(CheckpointError, match="workers are at work"):
        renumber(book.parts, change(book, SECOND))
    assert not (book.path / JOURNAL).exists()
    assert heads(book, "ocr")[2] == "HEAD 2"


def test_a_book_that_changed_since_the_plan_is_left_alone(book: ReportBook) -> None:
    planned = change(book, SECOND)
    renumber(book.parts, planned)
    with pytest.raises(InputError, match="changed meanwhile"):
        renumber(book.parts, planned)


def test_ctrl_c_while_pages_are_written_leaves_the_book_as_it_was(
    book: ReportBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(renumber_module, "write_renumbered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        renumber(book.parts, change(book, SECOND))
    assert not (book.path / JOURNAL).exists()
    assert complete_pages(book, "ocr") == [1, 2, 3, 4]


def test_replaced_pages_and_profiles_of_pages_follow_their_pages(book: ReportBook) -> None:
    form = book.metadata.model_dump(mode="json")
    file = form["source"]["files"][3]
    form["source"]["replaced"] = [
        {
            "page": 4,
            "kind": "images",
            "file": {**file, "name": "page_0004-again.jpg"},
            "place": 1,
            "original": "again.jpg",
            "replaced_at": form["created_at"],
            "before": file["name"],
            "before_sha256": file["sha256"],
            "before_place": 1,
        }
    ]
    form["page_profiles"] = [{"pages": [[2, 3]], "profile": {"lang": "el"}, "quire": "B"}]
    metadata = ScanMetadata.model_validate(form)
    pages = map_pages(metadata.source, SECOND)
    made = renumbered_form(form, metadata, SECOND, pages, "yes")
    assert [each["page"] for each in made["source"]["replaced"]] == [5]
    assert made["page_profiles"] == [{"pages": [[2, 4]], "profile": {"lang": "el"}, "quire": "B"}]
    assert made["profile"] == {"spreads": "yes"}
    assert ScanMetadata.model_validate(made).total_pages == 5
