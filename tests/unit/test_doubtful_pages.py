"""The way of a doubtful page's reasons from the stage into the checkpoint: however the page becomes complete."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from pydantic import ValidationError
from typer.testing import CliRunner

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import DoubtfulPagesError
from checkpointing.manager import CheckpointManager
from checkpointing.messages import Completion
from checkpointing.page_records import Doubt, DoubtfulPage, PageRecord
from checkpointing.refs import StageRef
from producer.cli import app
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.report.collect import collect
from producer.report.render import render
from producer.run.summary import Ended, summary_lines
from producer.run.waiting import check_success
from producer.status.doubtful_pages import doubt_lines
from producer.watch.output import problems
from producer.watch.stage_reader import StageReader
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import Stamp, stamp
from worker.queue.messages import Outcome
from worker.reconciler.recovery import PageRecovery

LOW = Doubt(kind="low_confidence", message="mean confidence 0.58")
SIDEWAYS = Doubt(kind="upright_lines", message="21 of 22 lines are taller than wide")
FRENCH = Doubt(kind="other_language", message="380 letters of running text look like fr, and not like de")
LATIN = Doubt(kind="other_script", message="91 % of 1,204 letters are Latin, and el is written in Greek")


def doubtful_stamp(page: int) -> Stamp:
    return stamp(page).model_copy(update={"doubtful": (LOW,) if page % 2 else ()})


@pytest.fixture
def doubting(fake: FakeDeployment) -> FakeDeployment:
    """A fake whose stage doubts its odd pages."""
    fake.stage.act = doubtful_stamp
    return fake


def marked(checkpoint: Checkpoint) -> dict[int, tuple[Doubt, ...]]:
    return {each.page: each.reasons for each in checkpoint.doubtful_pages}


def test_a_page_in_doubt_is_complete_and_marked_with_its_reasons_in_output_and_checkpoint(
    doubting: FakeDeployment,
) -> None:
    doubting.ask_for((1, 2))

    assert [doubting.process(page) for page in (1, 2)] == [Outcome.COMPLETE] * 2
    doubting.commit()

    checkpoint = doubting.checkpoint()
    assert (sorted(checkpoint.pages), checkpoint.failed_pages) == ([1, 2], [])
    assert marked(checkpoint) == {1: (LOW,)}
    on_disk = json.loads(doubting.parts.store.checkpoint_file(REF).path.read_bytes())
    reason = {"kind": "low_confidence", "message": "mean confidence 0.58"}
    assert on_disk["doubtful_pages"] == [{"page": 1, "reasons": [reason]}]
    assert json.loads(doubting.output_path(1).read_bytes())["doubtful"] == [reason]


def test_the_output_of_a_page_without_doubts_has_the_form_that_older_versions_read(
    doubting: FakeDeployment,
) -> None:
    doubting.ask_for((2, 2))
    doubting.process(2)

    assert "doubtful" not in json.loads(doubting.output_path(2).read_bytes())


def test_an_output_that_was_not_handed_over_is_adopted_with_its_doubts(doubting: FakeDeployment) -> None:
    doubting.ask_for((1, 2))
    for page in (1, 2):
        doubting.parts.store.outputs(REF).save(page, doubtful_stamp(page))
    recovery = PageRecovery(doubting.parts.store, doubting.parts.queues, doubting.parts.calls)
    recovery.recover(REF)

    assert recovery.recover(REF).adopted == [1, 2]
    doubting.commit()

    assert marked(doubting.checkpoint()) == {1: (LOW,)}


def test_a_message_for_a_page_that_has_its_output_hands_over_its_doubts(doubting: FakeDeployment) -> None:
    doubting.ask_for((1, 1))
    doubting.parts.store.outputs(REF).save(1, doubtful_stamp(1))

    assert doubting.process(1) is Outcome.ALREADY_COMPLETE
    doubting.commit()

    assert marked(doubting.checkpoint()) == {1: (LOW,)}


def test_a_resume_keeps_the_doubts_of_pages_and_finds_those_of_outputs_it_adopts(
    doubting: FakeDeployment,
) -> None:
    doubting.ask_for((1, 1))
    doubting.process(1)
    doubting.commit()
    doubting.parts.store.outputs(REF).save(3, doubtful_stamp(3))

    enqueue(doubting.parts, Request(SCAN, STAGE))

    assert marked(doubting.checkpoint()) == {1: (LOW,), 3: (LOW,)}


def test_a_checkpoint_that_was_destroyed_gets_its_doubts_back_from_the_outputs(
    doubting: FakeDeployment,
) -> None:
    doubting.ask_for((1, 2))
    doubting.process(1)
    doubting.commit()
    doubting.parts.store.checkpoint_file(REF).path.write_bytes(b"{ torn")

    enqueue(doubting.another_process(), Request(SCAN, STAGE, end_page=2))

    assert marked(doubting.checkpoint()) == {1: (LOW,)}


def test_the_manager_of_one_process_marks_the_doubts_of_an_output(tmp_path: Path) -> None:
    manager = CheckpointManager("a-book", "stamp", storage_root=tmp_path, schema=Stamp)
    manager.get_remaining_pages(2)
    for page in (1, 2):
        manager.outputs.save(page, doubtful_stamp(page))
        manager.mark_completed(page)

    assert [each["page"] for each in manager.get_status()["doubtful_pages"]] == [1]


def test_an_entry_says_no_more_than_an_older_coordinator_knows() -> None:
    completion = Completion(page=1, sha256="0" * 64, schema_version="1", doubtful=(LOW,))

    assert "doubtful" not in json.loads(completion.model_dump_json())


@pytest.mark.parametrize("said", [b"{", b"{}", b'[{"kind": "A B", "message": ""}]', b"[" + b'{"kind":"a"},' * 99])
def test_doubts_beside_an_entry_that_do_not_parse_lose_no_completion(doubting: FakeDeployment, said: bytes) -> None:
    doubting.ask_for((1, 1))
    entry = doubting.completion(1)
    stream = doubting.parts.queues.keys.inbox(REF)
    fields = {b"completion": entry.model_dump_json().encode(), b"doubtful": said, b"cpu_seconds": b"-1"}
    doubting.redis.xadd(stream, fields)

    doubting.commit()

    assert sorted(doubting.checkpoint().pages) == [1]
    assert marked(doubting.checkpoint()) == {}


def test_a_page_done_again_without_doubts_is_not_in_doubt_any_more() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=3)
    checkpoint.complete(2, PageRecord(sha256="0" * 64), (LOW, SIDEWAYS))
    checkpoint.complete(1, PageRecord(sha256="0" * 64), (LOW,))
    assert checkpoint.summary() == "2 of 3 pages complete, 2 doubtful"

    checkpoint.complete(2, PageRecord(sha256="1" * 64))

    assert marked(checkpoint) == {1: (LOW,)}


def test_a_completion_of_an_older_worker_does_not_take_back_the_doubts_about_the_same_bytes() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=3)
    checkpoint.complete(2, PageRecord(sha256="0" * 64), (LOW,))

    assert not checkpoint.complete(2, PageRecord(sha256="0" * 64))

    assert marked(checkpoint) == {2: (LOW,)}


def test_a_page_that_is_forgotten_is_not_in_doubt() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=3)
    for page in (1, 2, 3):
        checkpoint.complete(page, PageRecord(sha256="0" * 64), (LOW,))

    checkpoint.forget({2})
    assert sorted(marked(checkpoint)) == [1, 3]

    checkpoint.start_over()
    assert marked(checkpoint) == {}


def test_doubts_in_a_file_that_was_edited_by_hand_are_taken_in_order_and_of_complete_pages_only() -> None:
    checkpoint = Checkpoint(scan_id="a", stage="ocr", output_dir="ocr", total_pages=9)
    for page in (1, 2, 3):
        checkpoint.complete(page, PageRecord())
    form = json.loads(checkpoint.model_dump_json())
    form["doubtful_pages"] = [{"page": page, "reasons": [LOW.model_dump()]} for page in (3, 1, 7)]

    assert sorted(marked(Checkpoint.model_validate_json(json.dumps(form)))) == [1, 3]


def test_a_doubtful_page_has_a_reason() -> None:
    with pytest.raises(ValidationError):
        DoubtfulPage(page=1, reasons=())


@pytest.fixture
def ended(doubting: FakeDeployment) -> FakeDeployment:
    """A fake whose book is complete, its odd pages in doubt; commands work on it."""
    doubting.ask_for((1, 5))
    for page in range(1, 6):
        doubting.process(page)
    doubting.commit()
    return doubting


LINE = f"{SCAN}/{STAGE}: 3 pages read with low confidence: 1, 3, 5"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("ended")
def test_status_names_the_doubtful_pages_and_counts_them_for_scripts() -> None:
    assert LINE in run("status", SCAN).output

    stage = json.loads(run("status", SCAN, "--json").output)["stages"][STAGE]
    assert (stage["status"], stage["failed"], stage["doubtful"]) == ("completed", 0, 3)
    assert stage["doubtful_pages"][0] == {"page": 1, "reasons": [LOW.model_dump()]}


@pytest.mark.parametrize("command", [["enqueue", SCAN, "--wait"], ["run", SCAN]])
def test_a_script_that_accepts_doubtful_pages_goes_on(ended: FakeDeployment, command: list[str]) -> None:
    result = run(*command, "--stage", STAGE, "--allow-doubtful")

    assert LINE in result.output
    assert result.exit_code == 0
    assert ended.checkpoint().summary() == "5 of 5 pages complete, 3 doubtful"


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("command", [["enqueue", SCAN, "--wait"], ["run", SCAN]])
def test_waiting_for_doubtful_pages_ends_with_a_code_of_its_own(command: list[str]) -> None:
    result = run(*command, "--stage", STAGE)

    assert isinstance(result.exception, DoubtfulPagesError)
    assert result.exception.exit_code == 13
    assert "3 pages read with low confidence: 1, 3, 5" in str(result.exception)


@pytest.mark.usefixtures("ended")
def test_a_plan_counts_doubtful_pages_for_scripts() -> None:
    said = json.loads(run("enqueue", SCAN, "--stage", STAGE, "--json").stdout)

    assert [each["page"] for each in said["doubtful"]] == [1, 3, 5]


def test_the_summary_of_a_run_names_the_doubtful_pages(ended: FakeDeployment) -> None:
    outputs = ended.parts.store.outputs(REF)

    assert summary_lines([Ended(ended.checkpoint(), outputs, 0)], 1.0)[:2] == [
        f"{SCAN}/{STAGE}: 5 of 5 pages complete, 3 doubtful",
        LINE,
    ]


def test_the_live_view_names_the_doubtful_pages_with_what_is_in_trouble(ended: FakeDeployment) -> None:
    facts = StageReader(ended.parts.store, StageRef(SCAN, STAGE)).snapshot((), None)

    assert facts.summary == "5 of 5 pages complete, 3 doubtful"
    assert "3 pages read with low confidence: 1, 3, 5" in problems(facts)


def test_a_report_says_which_pages_are_doubtful_and_why(ended: FakeDeployment) -> None:
    html = render(collect(ended.parts.store, SCAN, images=False))

    assert f"{STAGE}: 3 pages read with low confidence: 1, 3, 5" in html
    assert html.count("mean confidence 0.58") >= 3


def test_the_lines_of_doubtful_pages_are_one_for_each_reason_with_right_plurals() -> None:
    pages = [DoubtfulPage(page=3, reasons=(LOW,)), DoubtfulPage(page=7, reasons=(LOW, SIDEWAYS))]
    pages.append(DoubtfulPage(page=9, reasons=(Doubt(kind="new_kind", message="?"),)))
    pages += [DoubtfulPage(page=page, reasons=(FRENCH,)) for page in (10, 11)]
    pages.append(DoubtfulPage(page=12, reasons=(LATIN,)))

    assert doubt_lines(pages) == [
        "2 pages read with low confidence: 3, 7",
        "1 page with vertical text lines: 7",
        "1 page in doubt (new kind): 9",
        "2 pages not in the languages named: 10-11",
        "1 page not in the script of the languages named: 12",
    ]


def test_the_error_about_doubtful_pages_names_the_reports_of_the_books_that_have_them(
    doubting: FakeDeployment,
) -> None:
    doubting.ask_for((1, 1))
    doubting.process(1)
    doubting.commit()
    doubtful = doubting.checkpoint()
    certain = doubtful.model_copy(update={"scan_id": "another-book", "doubtful_pages": []})

    with pytest.raises(DoubtfulPagesError, match=rf"`producer report {SCAN}` shows these pages"):
        check_success([certain, doubtful])
