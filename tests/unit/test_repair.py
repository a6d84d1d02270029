"""Repair: what verify finds is mended, pages that nobody asked for are left alone, and nothing is ever deleted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpointing.errors import DifferencesError
from checkpointing.models import Checkpoint, FailedPage, Status
from producer.commands.verify import verify_command
from producer.verify import check_stage
from producer.verify.findings import Kind
from producer.verify.repair import repair
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, take_commands
from tests.support.killed import kill_at
from tests.support.stages import stamp
from tests.unit.test_verify import edit, give_source

TORN = FailedPage(page=2, kind="torn", message="torn", attempts=3)


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The pages 1 to 4 of 5 were asked for and are complete."""
    made = make_shop(folder, monkeypatch)
    take_commands(made, monkeypatch, "planning.enqueue", "verify.repair")
    monkeypatch.setattr(check_stage, "MERGE_SECONDS", 0.0)
    give_source(made)
    made.ask_for((1, 4))
    made.complete(1, 2, 3, 4, cost_usd=0.1)
    return made


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return make(tmp_path / "scans", monkeypatch)


def work(shop: Shop) -> None:
    while shop.redis.llen(shop.workshop.keys.queue(STAGE)):
        shop.process_next()
    if shop.entries():
        shop.commit()


def aside(shop: Shop, page: int) -> Path:
    path = shop.output_path(page)
    return path.parent / "set_aside" / path.name


def forget(shop: Shop, *pages: int) -> None:
    """As if nobody had ever asked for these pages."""

    def change(form: dict[str, Any]) -> None:
        form["completed_pages"] = [page for page in form["completed_pages"] if page not in pages]
        form["pages"] = {page: record for page, record in form["pages"].items() if int(page) not in pages}
        form["requested"] = [[page, page] for page in form["completed_pages"]]
        form["progress"].update(completed=len(form["completed_pages"]), remaining=5 - len(form["completed_pages"]))

    edit(shop, change)


def insist_on_mended(shop: Shop, *done_again: int) -> None:
    """After a repair: clean at once, these pages and no others wait, and the book can be finished."""
    assert verify(shop.another_workshop(), SCAN).findings == []
    assert sorted(shop.waiting_pages()) == sorted(done_again)
    work(shop)
    assert verify(shop.another_workshop(), SCAN).findings == []
    assert shop.checkpoint().pending() == []
    assert shop.checkpoint().status is Status.PARTIAL


def test_a_clean_scan_is_left_alone(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    before = (shop.files(), shop.redis_keys())
    verify_command(SCAN, mend=True)
    assert (shop.files(), shop.redis_keys()) == before
    assert capsys.readouterr().out == f"{SCAN}/{STAGE}: 4 pages checked, all in order\n"


@pytest.mark.parametrize("left", [None, b"", b"{}", stamp(1).model_dump_json().encode()])
def test_a_damaged_page_is_done_again_and_no_other(
    shop: Shop, left: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.output_path(4).unlink()
    if left is not None:
        shop.output_path(4).write_bytes(left)
    verify_command(SCAN, mend=True)
    assert f"{SCAN}/{STAGE}: 1 difference mended, 1 page enqueued" in capsys.readouterr().out
    insist_on_mended(shop, 4)
    assert shop.stage.runs == [4]
    assert shop.checkpoint().total_cost_usd == 0.4


def test_an_altered_output_is_kept(shop: Shop) -> None:
    altered = stamp(4, "by hand").model_dump_json()
    shop.output_path(4).write_text(altered)
    verify_command(SCAN, mend=True)
    assert aside(shop, 4).read_text() == altered
    insist_on_mended(shop, 4)


def test_a_damaged_page_is_done_again_although_no_request_is_on_record(shop: Shop) -> None:
    """The `CheckpointManager` of a single process keeps none."""
    edit(shop, lambda form: form.update(requested=[]))
    shop.output_path(4).unlink()
    verify_command(SCAN, mend=True)
    insist_on_mended(shop, 4)


def test_a_valid_output_that_was_not_named_is_adopted(shop: Shop) -> None:
    forget(shop, 4)
    verify_command(SCAN, mend=True)
    assert shop.checkpoint().completed_pages == [1, 2, 3, 4]
    insist_on_mended(shop)


def test_a_damaged_output_that_nobody_asked_for_is_set_aside_and_not_done(shop: Shop) -> None:
    forget(shop, 4)
    shop.output_path(4).write_bytes(b"{}")
    verify_command(SCAN, mend=True)
    assert aside(shop, 4).read_bytes() == b"{}"
    insist_on_mended(shop)


def test_a_page_that_was_done_since_the_check_is_left_alone(shop: Shop) -> None:
    forget(shop, 4)
    shop.output_path(4).write_bytes(b"{}")
    (report,) = verify(shop.another_workshop(), SCAN).stages
    assert [each.kind for each in report.findings] == [Kind.STRAY]
    shop.ask_for((4, 4))
    shop.complete(4)
    repair(shop.another_workshop(), SCAN, report)
    assert not aside(shop, 4).exists()
    insist_on_mended(shop)


def test_an_output_beyond_the_book_is_set_aside(shop: Shop) -> None:
    shop.workshop.outputs(SCAN, STAGE).save(9, stamp(9))
    verify_command(SCAN, mend=True)
    assert aside(shop, 9).exists()
    insist_on_mended(shop)


def test_an_older_schema_and_a_hash_that_is_not_recorded_are_noted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(shop, lambda form: form["pages"]["2"].update(sha256=None))
    monkeypatch.setattr(type(shop.stage), "version", "2")
    verify_command(SCAN, mend=True)
    assert {record.schema_version for record in shop.checkpoint().pages.values()} == {"2"}
    insist_on_mended(shop)


@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"version": "9.0"}'])
def test_a_checkpoint_that_is_gone_or_unusable_is_rebuilt(shop: Shop, damage: bytes | None) -> None:
    """Its open-stage marker still says what was asked for: page 3 is done again, page 5 is not."""
    path = shop.workshop.checkpoint_file(SCAN, STAGE).path
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    shop.output_path(3).unlink()
    verify_command(SCAN, mend=True)
    assert shop.checkpoint().completed_pages == [1, 2, 4]
    assert (list(path.parent.glob("*.unusable-*")) != []) == (damage is not None)
    insist_on_mended(shop, 3)


def test_a_damaged_output_counts_as_asked_for_where_nobody_knows_any_more(shop: Shop) -> None:
    shop.workshop.checkpoint_file(SCAN, STAGE).path.write_bytes(b"{")
    shop.open_stages.remove(SCAN, STAGE)
    shop.output_path(3).write_bytes(b"")
    verify_command(SCAN, mend=True)
    insist_on_mended(shop, 3)


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
def test_a_contradiction_is_put_right(shop: Shop, change: Callable[[dict[str, Any]], object]) -> None:
    edit(shop, change)
    assert {each.kind for each in verify(shop.another_workshop(), SCAN).findings} == {Kind.CONTRADICTION}
    verify_command(SCAN, mend=True)
    assert shop.checkpoint().total_cost_usd == 0.4
    insist_on_mended(shop)


def test_a_stage_that_was_cancelled_is_not_taken_up_again(shop: Shop) -> None:
    """But for the page that was complete, and is not any more."""
    shop.ask_for((5, 5))
    file = shop.workshop.checkpoint_file(SCAN, STAGE)
    with file.exclusive() as checkpoint:
        checkpoint.cancel()
        file.save(checkpoint)
    verify_command(SCAN, mend=True)
    assert shop.waiting_pages() == []
    assert shop.checkpoint().status is Status.CANCELLED
    shop.output_path(2).unlink()
    verify_command(SCAN, mend=True)
    assert shop.waiting_pages() == [2]
    assert shop.checkpoint().pending() == [2]


def test_pages_in_quarantine_stay_there(shop: Shop) -> None:
    shop.ask_for((5, 5))
    shop.hand_over(FailedPage(page=5, kind="torn", message="torn"))
    shop.commit()
    shop.output_path(1).unlink()
    verify_command(SCAN, mend=True)
    assert shop.waiting_pages() == [1]
    assert shop.checkpoint().quarantined() == {5}


def test_leftovers_go_and_foreign_files_stay_and_are_reported(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    leftover = shop.output_path(1).with_name("page_0001.json.tmp.0123456789abcdef")
    foreign = shop.output_path(1).with_name("notes.txt")
    for path in (leftover, foreign):
        path.touch()
    with pytest.raises(DifferencesError, match="1 difference left after the repair"):
        verify_command(SCAN, mend=True)
    assert not leftover.exists()
    assert foreign.exists()
    assert f"not mended: {SCAN}/{STAGE}: {foreign}" in capsys.readouterr().out


def test_a_source_that_is_damaged_is_only_reported(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    (shop.workshop.scan(SCAN).source_dir / "a.pdf").unlink()
    shop.output_path(4).unlink()
    with pytest.raises(DifferencesError):
        verify_command(SCAN, mend=True, as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in form["findings"]] == ["source"]
    assert [(each["kind"], each["page"]) for each in form["mended"]] == [("missing", 4)]
    assert form["enqueued_pages"] == {STAGE: [4]}


def test_pages_that_were_asked_for_and_got_lost_are_enqueued_again(shop: Shop) -> None:
    """A repair that was killed after it saved the checkpoint leaves this: nothing differs, and nothing waits."""
    shop.ask_for((5, 5))
    assert verify(shop.another_workshop(), SCAN).findings == []
    verify_command(SCAN, mend=True)
    assert shop.waiting_pages() == [5]


def test_pages_under_way_are_not_enqueued_twice(shop: Shop) -> None:
    shop.output_path(3).unlink()
    verify_command(SCAN, mend=True)
    shop.output_path(4).unlink()
    with shop.workshop.claims.take(SCAN, STAGE, 3):
        verify_command(SCAN, mend=True)
    assert shop.waiting_pages() == [3, 4]


def damage(shop: Shop) -> None:
    shop.output_path(1).write_text(stamp(1, "by hand").model_dump_json())
    shop.output_path(2).unlink()
    shop.output_path(3).write_bytes(b"{}")
    shop.workshop.outputs(SCAN, STAGE).save(9, stamp(9))
    edit(shop, lambda form: (form["metadata"].update(total_cost_usd=0.3), form.update(requested=[[1, 4], [6, 8]])))


def test_killed_at_any_step_the_same_command_again_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(100):
        with monkeypatch.context() as patched:
            shop = make(tmp_path / str(step), patched)
            damage(shop)
            killed = kill_at(step, patched, lambda: verify_command(SCAN, mend=True))
            verify_command(SCAN, mend=True)
            insist_on_mended(shop, 1, 2, 3)
            assert shop.checkpoint().total_cost_usd == 0.4
            assert aside(shop, 1).exists()
            assert aside(shop, 9).exists()
        if not killed:
            assert step >= 5, "the steps are not the ones any more"
            return
    pytest.fail("it never came to an end")


def test_an_unusable_checkpoint_of_a_stage_under_way_keeps_what_was_spent(shop: Shop) -> None:
    path = shop.workshop.checkpoint_file(SCAN, STAGE).path
    path.write_bytes(path.read_bytes()[:-30])
    verify_command(SCAN, mend=True)
    after: Checkpoint = shop.checkpoint()
    assert (after.completed_pages, after.total_cost_usd) == ([1, 2, 3, 4], 0.4)


def test_a_repair_of_named_pages_enqueues_no_others(shop: Shop) -> None:
    for page in (2, 3):
        shop.output_path(page).unlink()
    verify_command(SCAN, STAGE, pages="3", mend=True)
    assert shop.waiting_pages() == [3]
