"""`producer retry`: quarantined pages get new attempts, and no other page is touched."""

from pathlib import Path

import pytest

from checkpointing.errors import InputError, UnknownNameError
from checkpointing.models import FailedPage
from producer import cli
from tests.shop import SCAN, STAGE, Shop, make_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The pages 1 to 3 of 5 were asked for; 1 is complete, 2 and 3 are in quarantine."""
    monkeypatch.setattr("producer.enqueue.check_broker", bool)  # the fake broker has no address
    made = make_shop(tmp_path / "scans", monkeypatch)
    made.write_scan()
    monkeypatch.setattr(cli, "_workshop", lambda _settings: made.workshop)
    made.ask_for((1, 3))
    made.complete(1)
    made.hand_over(*(FailedPage(page=page, kind="torn", message="torn", attempts=3) for page in (2, 3)))
    made.commit()
    return made


def test_all_pages_in_quarantine_are_tried_again_and_no_others(shop: Shop) -> None:
    cli.retry_command(SCAN, STAGE)
    assert shop.waiting_pages() == [2, 3]
    assert shop.checkpoint().quarantined() == set()
    assert shop.checkpoint().pending() == [2, 3]


def test_only_the_named_pages_are_tried_again(shop: Shop) -> None:
    cli.retry_command(SCAN, STAGE, pages="3")
    assert shop.waiting_pages() == [3]
    assert shop.checkpoint().quarantined() == {2}


def test_with_nothing_in_quarantine_nothing_is_done(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    cli.retry_command(SCAN, STAGE)
    for _ in range(2):
        shop.process_next()
    shop.commit()
    capsys.readouterr()
    cli.retry_command(SCAN, STAGE)
    assert shop.waiting_pages() == []
    assert shop.checkpoint().pending() == []
    assert "enqueued" not in capsys.readouterr().out


def test_a_page_that_is_not_in_quarantine_is_not_done_again(shop: Shop) -> None:
    cli.retry_command(SCAN, STAGE, pages="1,2")
    assert shop.waiting_pages() == [2]


def test_a_page_that_is_not_in_the_book_is_refused(shop: Shop) -> None:
    with pytest.raises(UnknownNameError, match="there is no page 9: the book has 5 pages"):
        cli.retry_command(SCAN, STAGE, pages="2,9")
    assert shop.waiting_pages() == []
    assert shop.checkpoint().quarantined() == {2, 3}


def test_what_is_no_list_of_pages_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match="is not a list of pages"):
        cli.retry_command(SCAN, STAGE, pages="two")
    assert shop.waiting_pages() == []
