"""`producer retry`: quarantined pages get new attempts, and no other page is touched."""

import json

import pytest

from checkpointing.errors import CommandLineError, UnknownNameError
from checkpointing.page_records import FailedPage
from producer.commands.retry import retry_command
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment


@pytest.fixture
def fake(fake: FakeDeployment) -> FakeDeployment:
    """The pages 1 to 3 of 5 were asked for; 1 is complete, 2 and 3 are in quarantine."""
    fake.ask_for((1, 3))
    fake.complete(1)
    fake.hand_over(*(FailedPage(page=page, kind="torn", message="torn", attempts=3) for page in (2, 3)))
    fake.commit()
    return fake


def test_all_pages_in_quarantine_are_tried_again_and_no_others(fake: FakeDeployment) -> None:
    retry_command(SCAN, STAGE)
    assert fake.waiting_pages() == [2, 3]
    assert fake.checkpoint().quarantined() == set()
    assert fake.checkpoint().pending() == [2, 3]


def test_only_the_named_pages_are_tried_again(fake: FakeDeployment) -> None:
    retry_command(SCAN, STAGE, pages="3")
    assert fake.waiting_pages() == [3]
    assert fake.checkpoint().quarantined() == {2}


def test_with_nothing_in_quarantine_nothing_is_done(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    retry_command(SCAN, STAGE)
    for _ in range(2):
        fake.process_next()
    fake.commit()
    capsys.readouterr()
    retry_command(SCAN, STAGE)
    assert fake.waiting_pages() == []
    assert fake.checkpoint().pending() == []
    assert "enqueued" not in capsys.readouterr().out


def test_a_page_that_is_not_in_quarantine_is_not_done_again(fake: FakeDeployment) -> None:
    retry_command(SCAN, STAGE, pages="1,2")
    assert fake.waiting_pages() == [2]


def test_a_page_that_is_not_in_the_book_is_refused(fake: FakeDeployment) -> None:
    with pytest.raises(UnknownNameError, match="there is no page 9: the book has 5 pages"):
        retry_command(SCAN, STAGE, pages="2,9")
    assert fake.waiting_pages() == []
    assert fake.checkpoint().quarantined() == {2, 3}


def test_what_is_no_list_of_pages_is_refused(fake: FakeDeployment) -> None:
    with pytest.raises(CommandLineError, match="is not a list of pages"):
        retry_command(SCAN, STAGE, pages="two")
    assert fake.waiting_pages() == []


def quarantine_for_other_reasons(fake: FakeDeployment) -> None:
    """Page 4 and 5 besides: 4 for what its fellow pages are not."""
    fake.ask_for((4, 5))
    fake.hand_over(
        FailedPage(page=4, kind="timeout", message="slow", attempts=3),
        FailedPage(page=5, kind="torn", message="torn", attempts=3),
    )
    fake.commit()


def test_only_the_pages_given_up_on_for_a_reason_are_tried_again(fake: FakeDeployment) -> None:
    quarantine_for_other_reasons(fake)
    retry_command(SCAN, STAGE, reason="timeout")
    assert fake.waiting_pages() == [4]
    assert fake.checkpoint().quarantined() == {2, 3, 5}


def test_a_reason_and_pages_together_are_both_insisted_on(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantine_for_other_reasons(fake)
    retry_command(SCAN, STAGE, pages="1,3-4", reason="torn")
    assert fake.waiting_pages() == [3]
    retry_command(SCAN, STAGE, pages="2", reason="timeout")
    assert fake.waiting_pages() == [3]
    assert "nothing to do" in capsys.readouterr().out


def test_a_reason_that_no_page_has_is_refused_with_those_there_are(fake: FakeDeployment) -> None:
    quarantine_for_other_reasons(fake)
    with pytest.raises(UnknownNameError, match=r"for 'crash'; existing reasons: timeout \(1\), torn \(3\)$"):
        retry_command(SCAN, STAGE, reason="crash")
    assert fake.checkpoint().quarantined() == {2, 3, 4, 5}


def test_with_nothing_to_do_the_json_says_so(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    retry_command(SCAN, STAGE, pages="1", as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert (form["wanted"], form["remaining"], form["enqueued"]) == (0, 0, 0)
    assert [failed["page"] for failed in form["quarantined"]] == [2, 3]
    assert fake.waiting_pages() == []


def test_without_a_stage_the_pages_of_every_stage_are_tried_again(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    retry_command(SCAN)
    assert fake.waiting_pages() == [2, 3]
    retry_command(SCAN)
    assert f"{SCAN}: none of these pages is in quarantine" in capsys.readouterr().out
