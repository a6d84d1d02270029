"""What the commands say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from checkpointing.errors import StageFailedError
from checkpointing.outputs import Problem, Verdict
from checkpointing.page_records import FailedPage
from checkpointing.status import Status
from producer.planning.plan_output import plan_json, plan_result, print_plan
from producer.planning.request import Plan
from producer.run.waiting import check_success
from producer.status.output import detail_lines, status_lines
from producer.status.scan_status import ScanStatus, scan_status
from producer.terminal.console import notes, print_json, results
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment

Said = Callable[[Plan], list[str]]
TORN = FailedPage(page=2, kind="torn", message="torn [in] two :100:", attempts=3)


def a_plan(**changes: Any) -> Plan:
    usual: dict[str, Any] = {
        "scan_id": SCAN,
        "stage": STAGE,
        "total_pages": 9,
        "wanted": list(range(1, 10)),
        "completed": 0,
        "skipped": 0,
        "remaining": [],
        "requeued": {},
        "quarantined": [],
        "cost_saved_usd": 0.0,
        "total_cost_usd": 0.0,
        "status": Status.IN_PROGRESS,
    }
    return Plan(**usual | changes)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """The lines that the command line says about a plan."""

    def say(made: Plan) -> list[str]:
        print_plan(notes, made)
        return capsys.readouterr().err.splitlines()

    return say


@pytest.mark.parametrize(
    ("changes", "dry_run", "result"),
    [
        ({"remaining": [1, 2, 3], "enqueued": [1, 2, 3]}, False, "3 pages enqueued"),
        ({"remaining": [1, 2, 3], "enqueued": [3]}, False, "1 page enqueued, 2 under way already"),
        ({"remaining": [1, 2, 5]}, True, "would enqueue 3 pages (1-2, 5)"),
        ({"skipped": 9, "completed": 9}, False, "all 9 pages are complete, nothing to do"),
        ({"skipped": 8, "quarantined": [TORN]}, False, "nothing to enqueue, 1 page is in quarantine"),
    ],
)
def test_the_result_is_one_line(changes: dict[str, Any], dry_run: bool, result: str) -> None:
    assert plan_result(a_plan(**changes), dry_run=dry_run) == f"{SCAN}/{STAGE}: {result}"


def test_a_resume_says_what_is_skipped_and_what_that_saves(said: Said) -> None:
    made = a_plan(wanted=list(range(1, 448)), skipped=440, remaining=list(range(441, 448)), cost_saved_usd=8.8)
    assert said(made) == ["Resuming: 440 of 447 pages complete, $8.80 saved"]


def test_a_fresh_start_says_nothing_of_resuming(said: Said) -> None:
    assert said(a_plan(remaining=[1, 2, 3])) == []


def test_each_page_that_is_done_again_is_given_with_its_reason(said: Said) -> None:
    made = a_plan(
        remaining=[3, 5],
        requeued={
            3: Verdict(3, problem=Problem.MISSING, detail="there is no output"),
            5: Verdict(5, problem=Problem.INVALID, detail="regions.0.text: [bold] :smile:"),
        },
    )
    assert said(made) == [
        "Page 3 is processed again: missing (there is no output)",
        "Page 5 is processed again: invalid (regions.0.text: [bold] :smile:)",
    ]


def test_a_thousand_reasons_are_cut_short(said: Said) -> None:
    verdicts = {page: Verdict(page, problem=Problem.MISSING, detail="gone") for page in range(1, 1001)}
    lines = said(a_plan(remaining=list(verdicts), requeued=verdicts))
    assert len(lines) == 21
    assert lines[-1] == "... and 980 more pages are processed again"


def test_quarantined_pages_are_given_with_the_way_to_try_them_again(said: Said) -> None:
    assert said(a_plan(quarantined=[TORN])) == [
        f"Page 2 is in quarantine: {TORN.message}",
        f"`producer retry {SCAN} --stage {STAGE}` gives quarantined pages new attempts.",
    ]


def test_a_checkpoint_that_was_set_aside_is_named(said: Said) -> None:
    (line,) = said(a_plan(set_aside="ocr.json.unusable-1"))
    assert "set aside (ocr.json.unusable-1)" in line


def test_the_json_of_a_plan_has_counts_pages_and_reasons() -> None:
    made = a_plan(
        remaining=[3],
        enqueued=[3],
        quarantined=[TORN],
        requeued={3: Verdict(3, problem=Problem.CHANGED, detail="x")},
    )
    form = json.loads(json.dumps(plan_json(made, dry_run=False)))
    assert form["remaining"] == form["enqueued"] == 1
    assert form["requeued"] == [{"page": 3, "reason": "changed", "detail": "x"}]
    assert form["quarantined"][0]["message"] == TORN.message
    assert form["dry_run"] is False


def scan_with_trouble(fake: FakeDeployment) -> ScanStatus:
    fake.ask_for((1, 3))
    fake.complete(1, 3, cost_usd=0.125)
    fake.hand_over(TORN)
    fake.commit()
    return scan_status(fake.parts.store, SCAN)


def test_the_table_shows_a_stage_a_row_without_any_markup(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = scan_with_trouble(fake)
    for line in status_lines([scan], None):
        results.print(line)
    text = capsys.readouterr().out
    for cell in (SCAN, STAGE, "failed", "2/5", "$0.25"):
        assert cell in text
    assert "[red]" not in text
    assert "[/]" not in text


def test_failures_are_shown_word_for_word(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    for line in detail_lines([scan_with_trouble(fake)]):
        results.print(line)
    assert capsys.readouterr().out.splitlines() == [
        f"{SCAN}/{STAGE}: 2 of 5 pages complete, 1 quarantined",
        "  page 2: torn [in] two :100: (torn, 3 attempts)",
    ]


def test_json_is_printed_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    form = {"title": "A :book: of [bold] 100 pages :100:", "long": "x" * 500, "accents": "é漢"}
    print_json(form)
    assert json.loads(capsys.readouterr().out) == form


def test_a_stage_that_ended_badly_is_an_error_that_says_where_the_reasons_are(fake: FakeDeployment) -> None:
    scan_with_trouble(fake)
    with pytest.raises(StageFailedError, match=r"2 of 5 pages complete, 1 quarantined; `producer status a-book`"):
        check_success([fake.checkpoint()])
