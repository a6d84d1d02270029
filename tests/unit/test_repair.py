"""Repair: what verify finds is mended, pages that nobody asked for are left alone, and nothing is ever deleted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import DifferencesError
from checkpointing.page_records import FailedPage
from checkpointing.status import Status
from producer.commands.verify import verify_command
from producer.verify import check_stage
from producer.verify.findings import Kind
from producer.verify.repair import repair
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, take_commands, write_source
from tests.support.killed import kill_at
from tests.support.stages import stamp
from tests.unit.test_verify import edit

TORN = FailedPage(page=2, kind="torn", message="torn", attempts=3)


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The pages 1 to 4 of 5 were asked for and are complete."""
    made = make_fake(folder, monkeypatch)
    take_commands(made, monkeypatch, "planning.preconditions")
    monkeypatch.setattr(check_stage, "MERGE_SECONDS", 0.0)
    write_source(made.write_scan())
    made.ask_for((1, 4))
    made.complete(1, 2, 3, 4, cost_usd=0.1)
    return made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    return make(tmp_path / "scans", monkeypatch)


def work(fake: FakeDeployment) -> None:
    while fake.redis.llen(fake.parts.queues.keys.queue(STAGE)):
        fake.process_next()
    if fake.entries():
        fake.commit()


def aside(fake: FakeDeployment, page: int) -> Path:
    path = fake.output_path(page)
    return path.parent / "set_aside" / path.name


def forget(fake: FakeDeployment, *pages: int) -> None:
    """As if nobody had ever asked for these pages."""

    def change(form: dict[str, Any]) -> None:
        form["completed_pages"] = [page for page in form["completed_pages"] if page not in pages]
        form["pages"] = {page: record for page, record in form["pages"].items() if int(page) not in pages}
        form["requested"] = [[page, page] for page in form["completed_pages"]]
        form["progress"].update(completed=len(form["completed_pages"]), remaining=5 - len(form["completed_pages"]))

    edit(fake, change)


def insist_on_mended(fake: FakeDeployment, *done_again: int) -> None:
    """After a repair: clean at once, these pages and no others wait, and the book can be finished."""
    assert verify(fake.another_process().store, SCAN).findings == []
    assert sorted(fake.waiting_pages()) == sorted(done_again)
    work(fake)
    assert verify(fake.another_process().store, SCAN).findings == []
    assert fake.checkpoint().pending() == []
    assert fake.checkpoint().status is Status.PARTIAL


def test_a_clean_scan_is_left_alone(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    before = (fake.files(), fake.redis_keys())
    verify_command(SCAN, mend=True)
    assert (fake.files(), fake.redis_keys()) == before
    assert capsys.readouterr().out == f"{SCAN}/{STAGE}: 4 pages checked, no differences\n"


@pytest.mark.parametrize("left", [None, b"", b"{}", stamp(1).model_dump_json().encode()])
def test_a_damaged_page_is_done_again_and_no_other(
    fake: FakeDeployment, left: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.output_path(4).unlink()
    if left is not None:
        fake.output_path(4).write_bytes(left)
    verify_command(SCAN, mend=True)
    assert f"{SCAN}/{STAGE}: 1 difference repaired, 1 page enqueued" in capsys.readouterr().out
    insist_on_mended(fake, 4)
    assert fake.stage.runs == [4]
    assert fake.checkpoint().total_cost_usd == 0.4


def test_an_altered_output_is_kept(fake: FakeDeployment) -> None:
    altered = stamp(4, "by hand").model_dump_json()
    fake.output_path(4).write_text(altered)
    verify_command(SCAN, mend=True)
    assert aside(fake, 4).read_text() == altered
    insist_on_mended(fake, 4)


def test_a_damaged_page_is_done_again_although_no_request_is_on_record(fake: FakeDeployment) -> None:
    """The `CheckpointManager` of a single process keeps none."""
    edit(fake, lambda form: form.update(requested=[]))
    fake.output_path(4).unlink()
    verify_command(SCAN, mend=True)
    insist_on_mended(fake, 4)


def test_a_valid_output_that_was_not_named_is_adopted(fake: FakeDeployment) -> None:
    forget(fake, 4)
    verify_command(SCAN, mend=True)
    assert fake.checkpoint().completed_pages == [1, 2, 3, 4]
    insist_on_mended(fake)


def test_a_damaged_output_that_was_not_requested_is_set_aside_and_not_done(fake: FakeDeployment) -> None:
    forget(fake, 4)
    fake.output_path(4).write_bytes(b"{}")
    verify_command(SCAN, mend=True)
    assert aside(fake, 4).read_bytes() == b"{}"
    insist_on_mended(fake)


def test_a_page_that_was_done_since_the_check_is_left_alone(fake: FakeDeployment) -> None:
    forget(fake, 4)
    fake.output_path(4).write_bytes(b"{}")
    (report,) = verify(fake.another_process().store, SCAN).stages
    assert [each.kind for each in report.findings] == [Kind.STRAY]
    fake.ask_for((4, 4))
    fake.complete(4)
    repair(fake.another_process(), SCAN, report)
    assert not aside(fake, 4).exists()
    insist_on_mended(fake)


def test_an_output_beyond_the_book_is_set_aside(fake: FakeDeployment) -> None:
    fake.parts.store.outputs(REF).save(9, stamp(9))
    verify_command(SCAN, mend=True)
    assert aside(fake, 9).exists()
    insist_on_mended(fake)


def test_an_older_schema_and_a_hash_that_is_not_recorded_are_noted(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(fake, lambda form: form["pages"]["2"].update(sha256=None))
    monkeypatch.setattr(type(fake.stage), "version", "2")
    verify_command(SCAN, mend=True)
    assert {record.schema_version for record in fake.checkpoint().pages.values()} == {"2"}
    insist_on_mended(fake)


@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"version": "9.0"}'])
def test_a_checkpoint_that_is_gone_or_unusable_is_rebuilt(fake: FakeDeployment, damage: bytes | None) -> None:
    """Its open-stage marker still says what was asked for: page 3 is done again, page 5 is not."""
    path = fake.parts.store.checkpoint_file(REF).path
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    fake.output_path(3).unlink()
    verify_command(SCAN, mend=True)
    assert fake.checkpoint().completed_pages == [1, 2, 4]
    assert (list(path.parent.glob("*.unusable-*")) != []) == (damage is not None)
    insist_on_mended(fake, 3)


def test_a_damaged_output_counts_as_requested_if_the_requests_are_lost(fake: FakeDeployment) -> None:
    fake.parts.store.checkpoint_file(REF).path.write_bytes(b"{")
    fake.open_stages.remove(REF)
    fake.output_path(3).write_bytes(b"")
    verify_command(SCAN, mend=True)
    insist_on_mended(fake, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda form: form.update(total_pages=7),
        lambda form: form["failed_pages"].append(TORN.model_dump(mode="json")),
        lambda form: form["failed_pages"].append({**TORN.model_dump(mode="json"), "page": 8}),
        lambda form: (form["completed_pages"].append(8), form["pages"].update({"8": form["pages"]["1"]})),
        lambda form: form.update(requested=[[1, 4], [6, 9_999_999]]),
        lambda form: form["metadata"].update(total_cost_usd=0.3),
        lambda form: form["progress"].update(completed=3),
        lambda form: form["pages"].update({"99": {}}),
        lambda form: form.update(status="completed"),
    ],
)
def test_a_contradiction_is_put_right(fake: FakeDeployment, change: Callable[[dict[str, Any]], object]) -> None:
    edit(fake, change)
    assert {each.kind for each in verify(fake.another_process().store, SCAN).findings} == {Kind.CONTRADICTION}
    verify_command(SCAN, mend=True)
    assert fake.checkpoint().total_cost_usd == 0.4
    insist_on_mended(fake)


def test_a_stage_that_was_cancelled_is_not_taken_up_again(fake: FakeDeployment) -> None:
    """But for the page that was complete, and is not any more."""
    fake.ask_for((5, 5))
    file = fake.parts.store.checkpoint_file(REF)
    with file.exclusive() as checkpoint:
        checkpoint.cancel()
        file.save(checkpoint)
    verify_command(SCAN, mend=True)
    assert fake.waiting_pages() == []
    assert fake.checkpoint().status is Status.CANCELLED
    fake.output_path(2).unlink()
    verify_command(SCAN, mend=True)
    assert fake.waiting_pages() == [2]
    assert fake.checkpoint().pending() == [2]


def test_pages_in_quarantine_stay_there(fake: FakeDeployment) -> None:
    fake.ask_for((5, 5))
    fake.hand_over(FailedPage(page=5, kind="torn", message="torn"))
    fake.commit()
    fake.output_path(1).unlink()
    verify_command(SCAN, mend=True)
    assert fake.waiting_pages() == [1]
    assert fake.checkpoint().quarantined() == {5}


def test_leftovers_go_and_foreign_files_stay_and_are_reported(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    leftover = fake.output_path(1).with_name("page_0001.json.tmp.0123456789abcdef")
    foreign = fake.output_path(1).with_name("notes.txt")
    for path in (leftover, foreign):
        path.touch()
    with pytest.raises(DifferencesError, match="1 difference left after the repair"):
        verify_command(SCAN, mend=True)
    assert not leftover.exists()
    assert foreign.exists()
    assert f"not repaired: {SCAN}/{STAGE}: {foreign}" in capsys.readouterr().out


def test_a_source_that_is_damaged_is_only_reported(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake.parts.store.scan(SCAN).source_dir / "a.pdf").unlink()
    fake.output_path(4).unlink()
    with pytest.raises(DifferencesError):
        verify_command(SCAN, mend=True, as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in form["findings"]] == ["source"]
    assert [(each["kind"], each["page"]) for each in form["mended"]] == [("missing", 4)]
    assert form["enqueued_pages"] == {STAGE: [4]}


def test_pages_that_were_asked_for_and_got_lost_are_enqueued_again(fake: FakeDeployment) -> None:
    """A repair that was killed after it saved the checkpoint leaves this: nothing differs, and nothing waits."""
    fake.ask_for((5, 5))
    assert verify(fake.another_process().store, SCAN).findings == []
    verify_command(SCAN, mend=True)
    assert fake.waiting_pages() == [5]


def test_pages_under_way_are_not_enqueued_twice(fake: FakeDeployment) -> None:
    fake.output_path(3).unlink()
    verify_command(SCAN, mend=True)
    fake.output_path(4).unlink()
    with fake.parts.queues.claims.take(REF, 3):
        verify_command(SCAN, mend=True)
    assert fake.waiting_pages() == [3, 4]


def damage(fake: FakeDeployment) -> None:
    fake.output_path(1).write_text(stamp(1, "by hand").model_dump_json())
    fake.output_path(2).unlink()
    fake.output_path(3).write_bytes(b"{}")
    fake.parts.store.outputs(REF).save(9, stamp(9))
    edit(fake, lambda form: (form["metadata"].update(total_cost_usd=0.3), form.update(requested=[[1, 4], [6, 8]])))


def test_killed_at_any_step_the_same_command_again_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(100):
        with monkeypatch.context() as patched:
            fake = make(tmp_path / str(step), patched)
            damage(fake)
            killed = kill_at(step, patched, lambda: verify_command(SCAN, mend=True))
            verify_command(SCAN, mend=True)
            insist_on_mended(fake, 1, 2, 3)
            assert fake.checkpoint().total_cost_usd == 0.4
            assert aside(fake, 1).exists()
            assert aside(fake, 9).exists()
        if not killed:
            assert step >= 5, "the steps are not the ones any more"
            return
    pytest.fail("it never came to an end")


def test_an_unusable_checkpoint_of_a_stage_under_way_keeps_what_was_spent(fake: FakeDeployment) -> None:
    path = fake.parts.store.checkpoint_file(REF).path
    path.write_bytes(path.read_bytes()[:-30])
    verify_command(SCAN, mend=True)
    after: Checkpoint = fake.checkpoint()
    assert (after.completed_pages, after.total_cost_usd) == ([1, 2, 3, 4], 0.4)


def test_a_repair_of_named_pages_enqueues_no_others(fake: FakeDeployment) -> None:
    for page in (2, 3):
        fake.output_path(page).unlink()
    verify_command(SCAN, STAGE, pages="3", mend=True)
    assert fake.waiting_pages() == [3]
