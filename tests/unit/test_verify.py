"""Verify: each difference between source, outputs and checkpoint is found, and nothing else is called one."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpointing.errors import BrokerError, DifferencesError, StorageError, UnknownNameError
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import FailedPage
from checkpointing.status import Status
from producer.commands.verify import verify_command
from producer.verify import check_stage
from producer.verify.findings import Kind
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, write_source
from tests.support.stages import stamp
from tests.support.tiff_files import grey_frame, tiff_of
from tests.support.waiting import HANG_SECONDS, wait_until

TORN = FailedPage(page=2, kind="torn", message="torn", attempts=3)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The pages 1 to 5 are complete, by the book."""
    made = make_fake(tmp_path / "scans", monkeypatch)
    monkeypatch.setattr("producer.open_deployment.Deployment", lambda *_, **__: made.parts)
    # Where nobody merges, waiting for it is in vain.
    monkeypatch.setattr(check_stage, "MERGE_SECONDS", 0.0)
    write_source(made.write_scan())
    made.ask_for((1, 5))
    made.complete(1, 2, 3, 4, 5, cost_usd=0.1)
    return made


def found(fake: FakeDeployment, stage: str | None = None) -> list[tuple[Kind, int | None]]:
    """What is found, which must not change a thing."""
    before = (fake.files(), fake.redis_keys())
    findings = verify(fake.another_process().store, SCAN, stage).findings
    assert (fake.files(), fake.redis_keys()) == before
    return [(finding.kind, finding.page) for finding in findings]


def problems(fake: FakeDeployment) -> list[str]:
    return [finding.problem for finding in verify(fake.another_process().store, SCAN).findings]


def edit(fake: FakeDeployment, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the checkpoint as somebody with an editor does."""
    path = fake.parts.store.checkpoint_file(REF).path
    form = json.loads(path.read_bytes())
    change(form)
    path.write_text(json.dumps(form))


def test_a_complete_book_is_clean(fake: FakeDeployment) -> None:
    assert fake.checkpoint().status is Status.COMPLETED
    assert found(fake) == []
    assert [(each.stage, each.pages_checked) for each in verify(fake.another_process().store, SCAN).stages] == [
        (STAGE, 5)
    ]


def test_a_scan_of_which_no_stage_has_begun_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = make_fake(tmp_path / "fresh", monkeypatch)
    write_source(fresh.write_scan())
    assert found(fresh) == []
    assert found(fresh, STAGE) == []


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        (None, Kind.MISSING),
        (b"", Kind.UNREADABLE),
        (b'{"page_number": 4, "te', Kind.UNREADABLE),
        (b"{}", Kind.INVALID),
        (stamp(3).model_dump_json().encode(), Kind.INVALID),
        (stamp(4, "by hand").model_dump_json().encode(), Kind.CHANGED),
    ],
)
def test_a_damaged_output_of_a_complete_page(fake: FakeDeployment, left: bytes | None, kind: Kind) -> None:
    fake.output_path(4).unlink()
    if left is not None:
        fake.output_path(4).write_bytes(left)
    assert found(fake) == [(kind, 4)]


def test_a_folder_in_the_place_of_an_output(fake: FakeDeployment) -> None:
    fake.output_path(4).unlink()
    fake.output_path(4).mkdir()
    assert found(fake) == [(Kind.UNREADABLE, 4)]


def test_a_valid_output_that_the_checkpoint_does_not_name(fake: FakeDeployment) -> None:
    edit(fake, lambda form: (form["completed_pages"].remove(4), form["pages"].pop("4")))
    assert (Kind.UNNAMED, 4) in found(fake)


def test_a_damaged_output_that_was_not_requested(fake: FakeDeployment) -> None:
    with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.forget({4})
        checkpoint.requested = [(1, 3), (5, 5)]
        checkpoint.status = Status.PARTIAL
        fake.parts.store.checkpoint_file(REF).save(checkpoint)
    fake.output_path(4).write_bytes(b"{}")
    assert found(fake) == [(Kind.STRAY, 4)]


def test_a_damaged_output_that_is_going_to_be_replaced_is_none(fake: FakeDeployment) -> None:
    with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.forget({4})
        checkpoint.begin()
        fake.parts.store.checkpoint_file(REF).save(checkpoint)
    fake.output_path(4).write_bytes(b"{}")
    assert found(fake) == []


def test_an_older_schema_and_a_hash_that_is_not_recorded(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(fake, lambda form: form["pages"]["2"].update(sha256=None))
    monkeypatch.setattr(type(fake.stage), "version", "2")
    older = [(Kind.OLDER_SCHEMA, page) for page in (1, 3, 4, 5)]
    assert sorted(found(fake)) == sorted([*older, (Kind.NO_HASH, 2)])


def test_an_output_beyond_the_book(fake: FakeDeployment) -> None:
    fake.parts.store.outputs(REF).save(9, stamp(9))
    assert found(fake) == [(Kind.BEYOND_BOOK, 9)]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (b"{", "it is not whole JSON"),
        (b'{"version": "9.0"}', "its version is '9.0'"),
        (b'{"version": "2.0", "scan_id": "other", "stage": "stamp"}', "it belongs to scan_id 'other'"),
    ],
)
def test_a_checkpoint_that_cannot_be_used(fake: FakeDeployment, damage: bytes, words: str) -> None:
    fake.parts.store.checkpoint_file(REF).path.write_bytes(damage)
    fake.output_path(4).write_bytes(b"")
    assert found(fake) == [(Kind.CHECKPOINT_UNUSABLE, None), (Kind.UNREADABLE, 4)]
    assert words in problems(fake)[0]


def test_a_checkpoint_that_is_gone(fake: FakeDeployment) -> None:
    fake.parts.store.checkpoint_file(REF).path.unlink()
    assert found(fake) == [(Kind.CHECKPOINT_MISSING, None)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda form: form.update(total_pages=7), "the checkpoint has 7 pages, metadata.json has 5"),
        (
            lambda form: form["failed_pages"].append(TORN.model_dump(mode="json")),
            "both complete and in quarantine: page 2",
        ),
        (
            lambda form: form["failed_pages"].append({**TORN.model_dump(mode="json"), "page": 8}),
            "in quarantine, but not in the book: page 8",
        ),
        (
            lambda form: (form["completed_pages"].append(8), form["pages"].update({"8": form["pages"]["1"]})),
            "complete, but not in the book: page 8",
        ),
        (lambda form: form.update(requested=[[1, 10_000]]), "requested, but not in the book: pages 1 to 10000"),
        (
            lambda form: form["metadata"].update(total_cost_usd=0.3),
            "the sum of the costs of its pages is $0.500000",
        ),
        (lambda form: form["progress"].update(completed=4), "progress.completed is 4, but must be 5"),
        (
            lambda form: form["pages"].update({"99": {}}),
            "1 entry of pages is not in completed_pages",
        ),
        (
            lambda form: (form["completed_pages"].remove(4), form["pages"].pop("4")),
            "the status is completed, with 4 of 5 pages complete",
        ),
    ],
)
def test_a_checkpoint_that_contradicts_itself_or_the_book(
    fake: FakeDeployment, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit(fake, change)
    assert (Kind.CONTRADICTION, None) in found(fake)
    assert any(words in problem for problem in problems(fake)), problems(fake)


def test_leftovers_of_crashed_writers_and_foreign_files(fake: FakeDeployment) -> None:
    folder = fake.output_path(1).parent
    (folder / "page_0001.json.tmp.0123456789abcdef").touch()
    checkpoint = fake.parts.store.checkpoint_file(REF).path
    checkpoint.with_name(f"{checkpoint.name}.tmp.0123456789abcdef").touch()
    for name in ("notes.txt", "page_00001.json", "page_0000.json", "page_0002 (copy).json"):
        (folder / name).touch()
    assert sorted(found(fake)) == [*[(Kind.FOREIGN, None)] * 4, *[(Kind.LEFTOVER, None)] * 2]
    assert sum(str(folder / "notes.txt") in problem for problem in problems(fake)) == 1


def test_the_file_of_a_writer_that_lives_is_no_leftover(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at while an output is being written: in the middle of its validation."""
    seen: list[object] = []
    check = OutputFolder._check_written

    def look_meanwhile(outputs: OutputFolder, page: int, raw: bytes) -> None:
        temps = [name for name in fake.files() if ".tmp." in name]
        seen.append((len(temps), found(fake)))
        check(outputs, page, raw)

    monkeypatch.setattr(OutputFolder, "_check_written", look_meanwhile)
    fake.parts.store.outputs(REF).save(1, stamp(1))
    assert seen == [(1, [])]


def test_a_temp_file_that_its_writer_has_not_locked_yet_is_no_leftover(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = fake.output_path(1).with_name("page_0001.json.tmp.0123456789abcdef")
    temp.touch()
    meanwhile(monkeypatch, 3, temp.unlink)
    assert verify(fake.another_process().store, SCAN).findings == []


def test_outputs_that_were_set_aside_are_no_difference(fake: FakeDeployment) -> None:
    fake.complete(1)
    (fake.output_path(1).parent / "set_aside").mkdir()
    assert found(fake) == []


def test_a_source_file_that_is_gone_or_another(fake: FakeDeployment) -> None:
    source = fake.parts.store.scan(SCAN).source_dir / "a.pdf"
    source.write_bytes(source.read_bytes()[:-1])
    assert found(fake) == [(Kind.SOURCE, None)]
    assert "is not the file that was ingested" in problems(fake)[0]
    source.unlink()
    assert problems(fake) == [f"{source} is missing"]
    assert verify(fake.another_process().store, SCAN).findings[0].stage is None


def test_pages_in_quarantine_and_pages_not_asked_for_are_no_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_fake(tmp_path / "fresh", monkeypatch)
    write_source(fresh.write_scan())
    fresh.ask_for((1, 3))
    fresh.complete(1, 3)
    fresh.hand_over(TORN)
    fresh.commit()
    assert found(fresh) == []


def test_what_does_not_exist_is_refused(fake: FakeDeployment) -> None:
    with pytest.raises(UnknownNameError, match="there is no stage 'no_such_stage'"):
        verify(fake.another_process().store, SCAN, "no_such_stage")
    with pytest.raises(UnknownNameError, match="did you mean 'a-book'"):
        verify(fake.parts.store, "a-bok")


def test_a_storage_that_cannot_be_read_is_said(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_outputs: OutputFolder) -> set[int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(OutputFolder, "pages", fail)
    with pytest.raises(StorageError, match="input/output error"):
        verify(fake.another_process().store, SCAN)


def meanwhile(monkeypatch: pytest.MonkeyPatch, page: int, act: Callable[[], object]) -> None:
    """Let something happen right before the first look at a page."""
    look = check_stage._StageCheck._difference
    done = []

    def look_late(check: Any, looked_at: int) -> object:
        if looked_at == page and not done:
            done.append(page)
            act()
        return look(check, looked_at)

    monkeypatch.setattr(check_stage._StageCheck, "_difference", look_late)


def test_pages_that_complete_while_it_looks_are_no_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_fake(tmp_path / "fresh", monkeypatch)
    write_source(fresh.write_scan())
    fresh.ask_for((1, 5))
    fresh.complete(1)
    fresh.hand_over(fresh.completion(2), fresh.completion(3))
    meanwhile(monkeypatch, 1, fresh.commit)
    assert verify(fresh.parts.store, SCAN).findings == []


def test_a_page_that_is_done_again_while_it_looks_is_no_difference(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.output_path(4).unlink()

    def do_it_again() -> None:
        with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
            sha256 = fake.parts.store.outputs(REF).save(4, stamp(4, "anew"))
            checkpoint.pages[4] = replace(checkpoint.pages[4], sha256=sha256)
            fake.parts.store.checkpoint_file(REF).save(checkpoint)

    meanwhile(monkeypatch, 5, do_it_again)
    assert verify(fake.another_process().store, SCAN).findings == []


def test_an_output_that_waits_to_be_merged_is_given_the_time_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_fake(tmp_path / "fresh", monkeypatch)
    write_source(fresh.write_scan())
    fresh.ask_for((1, 5))
    fresh.hand_over(fresh.completion(2))
    waits = threading.Event()
    again = check_stage._StageCheck._unmerged

    def unmerged(check: Any, pages: Any) -> list[int]:
        waits.set()
        return again(check, pages)

    monkeypatch.setattr(check_stage._StageCheck, "_unmerged", unmerged)
    reports: list[Any] = []
    looking = threading.Thread(target=lambda: reports.append(verify(fresh.parts.store, SCAN)))
    looking.start()
    wait_until(waits.is_set, 10, "verify to wait")
    fresh.commit()
    looking.join(10)
    assert reports[0].findings == []


def test_an_output_that_is_never_merged_is_a_difference_in_the_end(fake: FakeDeployment) -> None:
    with fake.parts.store.checkpoint_file(REF).exclusive() as checkpoint:
        checkpoint.forget({4})
        checkpoint.begin()
        fake.parts.store.checkpoint_file(REF).save(checkpoint)
    assert found(fake) == [(Kind.UNNAMED, 4)]


def test_verify_waits_while_outputs_are_moved_under_the_lock(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer that does page 4 again has moved its output, and has not saved the checkpoint yet."""
    file = fake.parts.store.checkpoint_file(REF)
    moved, looked = threading.Event(), threading.Event()

    def do_again() -> None:
        with file.exclusive() as checkpoint:
            fake.parts.store.outputs(REF).set_aside(4)
            moved.set()
            assert looked.wait(HANG_SECONDS)
            checkpoint.forget({4})
            checkpoint.begin()
            file.save(checkpoint)

    producer = threading.Thread(target=do_again)
    producer.start()
    assert moved.wait(HANG_SECONDS)
    meanwhile(monkeypatch, 5, looked.set)
    assert verify(fake.another_process().store, SCAN).findings == []
    producer.join(10)


def test_each_difference_is_a_line_with_its_remedy_and_the_exit_code_says_so(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.output_path(4).unlink()
    (fake.output_path(1).parent / "notes.txt").touch()
    with pytest.raises(DifferencesError, match=r"^a-book: 2 differences found; .*--repair` repairs 1 of them$"):
        verify_command(SCAN)
    gone, foreign = capsys.readouterr().out.splitlines()
    assert gone.startswith(f"{SCAN}/{STAGE} page 4: marked complete, but its output file is missing")
    assert gone.endswith("(--repair processes the page again)")
    assert foreign.endswith(
        "notes.txt was not made by Leafmark (--repair does not change it; move it away by hand)"
    )
    assert DifferencesError.exit_code == 10


@pytest.mark.usefixtures("fake")
def test_a_clean_scan_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    verify_command(SCAN)
    assert capsys.readouterr() == (f"{SCAN}/{STAGE}: 5 pages checked, no differences\n", "")


def test_the_json_has_all_of_it(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    verify_command(SCAN, as_json=True)
    clean = json.loads(capsys.readouterr().out)
    assert (clean["clean"], clean["findings"], clean["pages_checked"]) == (True, [], {STAGE: 5})
    fake.output_path(4).unlink()
    with pytest.raises(DifferencesError):
        verify_command(SCAN, as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert form["clean"] is False
    assert [(each["stage"], each["page"], each["kind"]) for each in form["findings"]] == [(STAGE, 4, "missing")]


def test_it_does_not_ask_redis(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_: object) -> None:
        raise BrokerError("down")

    monkeypatch.setattr("producer.planning.preconditions.check_broker", down)
    fake.output_path(4).unlink()
    # This one would be set aside before anything is enqueued.
    fake.parts.store.outputs(REF).save(9, stamp(9))
    assert found(fake) == [(Kind.MISSING, 4), (Kind.BEYOND_BOOK, 9)]
    before = fake.files()
    with pytest.raises(BrokerError):
        verify_command(SCAN, mend=True)
    assert fake.files() == before


def test_a_tiff_with_more_pages_than_were_counted_is_a_difference(fake: FakeDeployment) -> None:
    """Earlier versions counted one page for a TIFF of which some frame could not be read."""
    scan = fake.parts.store.scan(SCAN)
    content = tiff_of([grey_frame(level) for level in (10, 20, 30)])
    (scan.source_dir / "a.tif").write_bytes(content)
    form = json.loads(scan.metadata_path.read_text())
    file = {"name": "a.tif", "pages": 5, "sha256": hashlib.sha256(content).hexdigest()}
    for pages, expected in [(5, []), (3, []), (1, ["of which 1 was counted"]), (2, ["of which 2 were counted"])]:
        form["source"] = {"kind": "images", "name": "book", "files": [file | {"pages": pages}]}
        scan.metadata_path.write_text(json.dumps(form | {"total_pages": pages}))
        found = [finding.problem for finding in verify(fake.another_process().store, SCAN, STAGE).source]
        assert len(found) == len(expected)
        assert all(words in problem for words, problem in zip(expected, found, strict=True))


def test_only_the_named_pages_are_looked_at(fake: FakeDeployment) -> None:
    for page in (2, 4):
        fake.output_path(page).unlink()
    report = verify(fake.another_process().store, SCAN, only=frozenset({1, 2}))
    assert [(finding.kind, finding.page) for finding in report.findings] == [(Kind.MISSING, 2)]
    assert report.stages[0].pages_checked == 2
    with pytest.raises(UnknownNameError, match="no page 6"):
        verify(fake.another_process().store, SCAN, only=frozenset({6}))
