"""A page that was scanned anew takes the place of the old one, which is kept, and is done again in all stages."""

import json
import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from redis.exceptions import ConnectionError as RedisConnectionError
from typer.testing import CliRunner

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, InputError, LeafmarkError, PageError, UnknownNameError
from checkpointing.file import CheckpointFile
from checkpointing.money import Money
from checkpointing.page_records import Doubt, FailedPage, PageRecord
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.cli import app
from producer.ingest.ingest_source import ingest
from producer.planning.enqueue import enqueue
from producer.planning.replace_page import replace_page
from producer.planning.request import Request
from producer.verify.findings import Kind
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, page_parts, take_commands
from tests.support.killed import KilledError, kill_at
from tests.support.stages import CopyStage, stamp
from worker.pages.scan import ScanFolder
from worker.pages.sources.open import open_source
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.process_page import process_page
from worker.queue.messages import Outcome, PageMessage
from worker.queue.page_queue import PageQueue
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore

COPY = CopyStage.name
TORN = FailedPage(page=2, kind="damaged_page", message="image file is truncated")


def page_image(grey: int) -> Image.Image:
    return Image.new("L", (40, 60), grey)


def given(folder: Path, name: str = "new.png", *greys: int) -> Path:
    """A file with the new scan of a page; of several pages where there are several greys."""
    path = folder / name
    first, *others = [page_image(grey) for grey in greys or (200,)]
    more: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
    first.save(path, **more)
    return path


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "folder") -> FakeDeployment:
    """A book of 3 pages in grey 10, 20 and 30: as a folder of images, a TIFF or a PDF. Page 2 is in quarantine."""
    folder.mkdir()
    fake = make_fake(folder / "scans", monkeypatch)
    take_commands(fake, monkeypatch, "planning.preconditions")
    copies = CopyStage()
    monkeypatch.setitem(STAGES, COPY, copies)
    source = folder / "source"
    source.mkdir()
    for number in (1, 2, 3):
        given(source, f"leaf {number}.png", 10 * number)
    if kind != "folder":
        source = given(folder, f"book.{kind}", 10, 20, 30)
    ingest(source, fake.root, scan_id=SCAN)
    fake.ask_for((1, 3), total_pages=3)
    for page in (1, 3):
        fake.process(page)
    fake.hand_over(TORN)
    fake.commit()
    return fake


@pytest.fixture(params=["folder", "tif", "pdf"])
def fake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    return make(tmp_path / "a", monkeypatch, request.param)


@pytest.fixture
def folder_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    return make(tmp_path / "a", monkeypatch)


def greys(fake: FakeDeployment) -> list[int]:
    """Of each page as a worker sees it."""
    scan = ScanFolder(fake.root, SCAN)
    with closing(open_source(scan, scan.read_metadata(), dpi=72)) as source:
        pages = [source.page(number).image.convert("L") for number in range(1, source.total_pages + 1)]
    return [round(page.resize((1, 1)).getpixel((0, 0)), -1) for page in pages]


def finish(fake: FakeDeployment) -> None:
    """Do what is left, as `producer enqueue` and a worker would."""
    enqueue(fake.another_process(), Request(SCAN, STAGE))
    for page in fake.checkpoint().pending():
        assert fake.process(page) is Outcome.COMPLETE
    fake.commit()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_page_is_the_new_picture_and_the_others_stay_what_they_are(
    fake: FakeDeployment, tmp_path: Path
) -> None:
    replace_page(fake.another_process(), SCAN, 2, given(tmp_path))

    assert greys(fake) == [10, 200, 30]


def test_a_quarantined_page_is_done_again_with_new_attempts_and_nothing_else_is(
    fake: FakeDeployment, tmp_path: Path
) -> None:
    fake.queue.raise_attempts({2: 3})
    replace_page(fake.another_process(), SCAN, 2, given(tmp_path))
    assert fake.checkpoint().failed_pages == []
    fake.stage.runs.clear()

    finish(fake)

    assert fake.stage.runs == [2]
    assert fake.checkpoint().status is Status.COMPLETED


def test_verify_is_content_at_each_stage_of_the_way(fake: FakeDeployment, tmp_path: Path) -> None:
    replace_page(fake.another_process(), SCAN, 2, given(tmp_path))
    found = verify(fake.another_process().store, SCAN)
    assert (found.findings, found.stale) == ([], [])

    finish(fake)
    found = verify(fake.another_process().store, SCAN)
    assert (found.findings, found.stale) == ([], [])


def test_the_old_picture_is_kept_by_name_and_date_and_the_metadata_has_the_history(
    folder_fake: FakeDeployment, tmp_path: Path
) -> None:
    source = ScanFolder(folder_fake.root, SCAN).source_dir
    old = (source / "leaf 2.png").read_bytes()

    done = replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))

    assert done.kept.startswith("leaf 2.replaced-20")
    assert (source / done.kept).read_bytes() == old
    assert sorted(path.name for path in source.iterdir()) == sorted(
        ["leaf 1.png", done.kept, "leaf 3.png", done.stored]
    )
    [record] = json.loads(ScanFolder(folder_fake.root, SCAN).metadata_path.read_text())["source"]["replaced"]
    assert (record["page"], record["before"], record["before_place"]) == (2, done.kept, 1)
    assert (record["original"], record["file"]["name"]) == ("new.png", done.stored)


@pytest.mark.parametrize("kind", ["tif", "pdf"])
def test_a_file_that_holds_other_pages_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fake = make(tmp_path / "a", monkeypatch, kind)
    path = ScanFolder(fake.root, SCAN).source_dir / f"book.{kind}"
    before = path.read_bytes()

    done = replace_page(fake.another_process(), SCAN, 2, given(tmp_path))

    assert (done.kept, path.read_bytes()) == (f"book.{kind}", before)


def test_a_complete_page_is_forgotten_in_each_stage_and_its_outputs_are_set_aside(
    folder_fake: FakeDeployment, tmp_path: Path
) -> None:
    fake = folder_fake
    finish_all_stages(fake)
    assert fake.parts.store.checkpoint_file(StageRef(SCAN, COPY)).read().status is Status.COMPLETED

    done = replace_page(fake.another_process(), SCAN, 3, given(tmp_path))

    assert [(each.stage, each.was) for each in done.stages] == [(STAGE, "complete"), (COPY, "complete")]
    for stage in (STAGE, COPY):
        outputs = fake.parts.store.outputs(StageRef(SCAN, stage))
        checkpoint = fake.parts.store.checkpoint_file(StageRef(SCAN, stage)).read()
        assert (sorted(checkpoint.pages), checkpoint.status, checkpoint.pending()) == ([1, 2], Status.PARTIAL, [])
        assert outputs.pages() == {1, 2}
        assert (outputs.path / "set_aside" / "page_0003.json").is_file()


def finish_all_stages(fake: FakeDeployment) -> None:
    with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.release({2})
        checkpoint.begin()
        fake.parts.store.checkpoint_file(REF).save(checkpoint)
    fake.process(2)
    fake.commit()
    enqueue(fake.another_process(), Request(SCAN, COPY))
    for page in (1, 2, 3):
        fake.process(page, stage=COPY)
    fake.redis.delete(fake.parts.queues.keys.commit(StageRef(SCAN, COPY)))
    assert make_coordinator(fake.parts.store, fake.parts.queues, StageRef(SCAN, COPY)).commit() is not None


def test_what_the_page_has_cost_is_shown_and_stays_counted(
    folder_fake: FakeDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BookStore, "spent_on", lambda *_: Money.from_micro(1200))
    with folder_fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.note_ledger({3: Money.from_micro(1200)})
        folder_fake.parts.store.checkpoint_file(REF).save(checkpoint)

    result = run("replace-page", SCAN, "3", str(given(tmp_path)))

    assert "page 3 was complete and is processed again" in result.stdout
    assert "it has cost $0.0012 there, and costs about as much again" in result.stdout
    assert folder_fake.checkpoint().total_cost_usd == 0.0012


def test_the_command_names_the_next_one_and_changes_nothing_in_a_dry_run(
    folder_fake: FakeDeployment, tmp_path: Path
) -> None:
    before = folder_fake.files()
    result = run("replace-page", SCAN, "3", str(given(tmp_path)), "--dry-run")
    assert "page 3 would be replaced" in result.stdout
    assert {name: parts for name, parts in folder_fake.files().items() if "metadata.lock" not in name}.keys() == (
        before.keys()
    )
    assert greys(folder_fake) == [10, 20, 30]

    result = run("replace-page", SCAN, "3", str(given(tmp_path)))
    assert f"producer enqueue {SCAN} --stage {STAGE} --pages 3" in result.stderr


def test_scripts_get_json(folder_fake: FakeDeployment, tmp_path: Path) -> None:
    said = json.loads(run("replace-page", SCAN, "3", str(given(tmp_path)), "--json").stdout)

    assert (said["page"], said["already"], said["dry_run"]) == (3, False, False)
    assert said["stages"] == [{"stage": STAGE, "was": "complete", "spent_usd": 0.0}]
    assert folder_fake.checkpoint().completed_pages == [1]


def test_the_same_command_again_changes_nothing_more(folder_fake: FakeDeployment, tmp_path: Path) -> None:
    replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))
    finish(folder_fake)
    before = folder_fake.files()

    done = replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))

    assert (done.already, done.stages) == (True, [])
    assert folder_fake.files() == before


def test_a_page_can_be_replaced_again_and_each_picture_is_kept(fake: FakeDeployment, tmp_path: Path) -> None:
    first = replace_page(fake.another_process(), SCAN, 2, given(tmp_path, "one.png", 100))
    finish(fake)

    second = replace_page(fake.another_process(), SCAN, 2, given(tmp_path, "two.png", 150))

    assert greys(fake) == [10, 150, 30]
    assert second.kept == first.stored
    assert (ScanFolder(fake.root, SCAN).source_dir / first.stored).is_file()
    assert verify(fake.another_process().store, SCAN).findings == []


@pytest.mark.parametrize("name", ["several.pdf", "several.tif"])
def test_a_page_of_a_file_that_holds_several_is_named(fake: FakeDeployment, tmp_path: Path, name: str) -> None:
    several = given(tmp_path, name, 90, 120)
    with pytest.raises(InputError, match=r"contains 2 pages; choose one of them with --from-page"):
        replace_page(fake.another_process(), SCAN, 2, several)
    with pytest.raises(InputError, match=r"--from-page 3 is past the last page of .* \(2\)"):
        replace_page(fake.another_process(), SCAN, 2, several, place=3)

    replace_page(fake.another_process(), SCAN, 2, several, place=2)

    assert greys(fake) == [10, 120, 30]


@pytest.mark.parametrize(
    ("page", "name", "error", "words"),
    [
        (4, "new.png", UnknownNameError, "there is no page 4: a-book has the pages 1 to 3"),
        (2, "missing.png", InputError, "does not exist"),
        (2, "notes.txt", InputError, "neither a PDF nor a page image"),
        (2, "cut.png", InputError, "the new page cannot be used: .* truncated"),
        (2, ".", InputError, "is a folder; name the file with the new page"),
        (2, "same.png", InputError, "page 2 was ingested from .*; name a new scan"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_changes(
    folder_fake: FakeDeployment, tmp_path: Path, page: int, name: str, error: type[LeafmarkError], words: str
) -> None:
    whole = given(tmp_path).read_bytes()
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "same.png").write_bytes((tmp_path / "a" / "source" / "leaf 2.png").read_bytes())
    before = folder_fake.files().keys()

    with pytest.raises(error, match=words):
        replace_page(folder_fake.another_process(), SCAN, page, tmp_path / name)

    assert {name for name in folder_fake.files() if "metadata.lock" not in name} == before


def test_a_page_that_a_worker_has_in_hand_is_refused(folder_fake: FakeDeployment, tmp_path: Path) -> None:
    with (
        folder_fake.parts.queues.claims.take(REF, 2),
        pytest.raises(CheckpointError, match="a worker has page 2 in hand; repeat the command when it is done"),
    ):
        replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))


def test_it_works_with_redis_down_and_the_page_gets_its_attempts_anew_later(
    folder_fake: FakeDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(PageQueue, "held", gone)
        patched.setattr(PageQueue, "forget_attempts", gone)
        replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))
    folder_fake.queue.raise_attempts({2: 3})

    finish(folder_fake)

    assert folder_fake.checkpoint().status is Status.COMPLETED
    assert "attempts_anew" not in folder_fake.checkpoint().metadata


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_that_read_the_old_picture_drops_its_result(
    folder_fake: FakeDeployment, tmp_path: Path, *, fails: bool
) -> None:
    fake = folder_fake
    new = given(tmp_path)

    def replaced_meanwhile(page: int) -> Any:
        with pytest.MonkeyPatch.context() as patched:
            # As if Redis could not tell that the page is in hand.
            patched.setattr(PageQueue, "held", lambda *_: set())
            replace_page(fake.another_process(), SCAN, page, new)
        if fails:
            raise PageError("damaged_page", "the old one is torn")
        return stamp(page)

    fake.ask_for((1, 3), total_pages=3)
    with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.release({2})
        checkpoint.begin()
        fake.parts.store.checkpoint_file(REF).save(checkpoint)
    fake.stage.act = replaced_meanwhile

    outcome = process_page(*page_parts(fake.another_process()), PageMessage(scan_id=SCAN, stage=STAGE, page=2))

    assert outcome is Outcome.WAITS
    assert fake.entries() == []
    assert not fake.output_path(2).exists()
    fake.stage.act = stamp
    assert fake.process(2) is Outcome.COMPLETE


def test_killed_at_any_step_the_page_is_the_old_or_the_new_one_and_the_same_command_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [(Path, "replace"), (Path, "unlink"), (os, "link"), (CheckpointFile, "save")]
    new = given(tmp_path)
    for step in range(100):
        with monkeypatch.context() as patched:
            fake = make(tmp_path / str(step), patched)
            command = partial(replace_page, fake.another_process(), SCAN, 3, new)
            killed = kill_at(step, patched, command, steps)
            assert greys(fake) in ([10, 20, 30], [10, 20, 200])
            assert {each.kind for each in verify(fake.another_process().store, SCAN).findings} <= {
                Kind.MISSING,
                Kind.LEFTOVER,
            }
            replace_page(fake.another_process(), SCAN, 3, new)
            assert greys(fake) == [10, 20, 200]
            assert fake.checkpoint().completed_pages == [1]
            assert verify(fake.another_process().store, SCAN).findings == []
        if not killed:
            assert step >= 5, "the steps are not the ones any more"
            return
    pytest.fail("it never came to an end")


def test_a_page_that_was_done_from_the_new_picture_survives_a_repeat_after_a_crash(
    folder_fake: FakeDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("producer.planning.replace_page._again", dies)
        with pytest.raises(KilledError):
            replace_page(folder_fake.another_process(), SCAN, 3, given(tmp_path))
    # As `verify` and `enqueue` show it then.
    assert [each.page for each in verify(folder_fake.another_process().store, SCAN).stale] == [3]

    done = replace_page(folder_fake.another_process(), SCAN, 3, given(tmp_path))

    assert [(each.stage, each.was) for each in done.stages] == [(STAGE, "complete")]


def dies(*_: object, **__: object) -> None:
    raise KilledError


def test_fields_of_the_metadata_that_a_newer_version_wrote_stay(
    folder_fake: FakeDeployment, tmp_path: Path
) -> None:
    path = ScanFolder(folder_fake.root, SCAN).metadata_path
    path.write_text(path.read_text().replace('"title"', '"shelf": "B4", "title"'))

    replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))

    assert json.loads(path.read_text())["shelf"] == "B4"


def test_a_process_that_has_the_metadata_in_memory_sees_the_change(
    folder_fake: FakeDeployment, tmp_path: Path
) -> None:
    long_lived = folder_fake.another_process()
    assert long_lived.store.metadata(SCAN).source.replaced == ()

    replace_page(folder_fake.another_process(), SCAN, 2, given(tmp_path))

    assert [each.page for each in long_lived.store.metadata(SCAN).source.replaced] == [2]


def test_a_picture_that_was_put_in_place_by_hand_can_be_taken_as_the_new_one(
    folder_fake: FakeDeployment,
) -> None:
    by_hand = ScanFolder(folder_fake.root, SCAN).source_dir / "leaf 2.png"
    page_image(180).save(by_hand)
    assert verify(folder_fake.another_process().store, SCAN).findings != []

    replace_page(folder_fake.another_process(), SCAN, 2, by_hand)

    assert greys(folder_fake) == [10, 180, 30]
    assert verify(folder_fake.another_process().store, SCAN).findings == []


def test_a_stage_that_is_under_way_is_asked_for_the_page_as_before() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=9)
    checkpoint.request(1, 9)
    checkpoint.begin()
    checkpoint.complete(7, PageRecord(), (Doubt(kind="low_confidence", message="?"),))

    checkpoint.set_back(7)

    assert (checkpoint.pending(), checkpoint.doubtful_pages) == (list(range(1, 10)), [])


def test_a_stage_that_has_ended_is_asked_for_the_page_no_more() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=9)
    checkpoint.request(1, 9)
    for page in range(1, 10):
        checkpoint.complete(page, PageRecord())
    checkpoint.settle()

    checkpoint.set_back(7)

    assert (checkpoint.status, checkpoint.pending(), checkpoint.requested) == (Status.PARTIAL, [], [(1, 6), (8, 9)])
