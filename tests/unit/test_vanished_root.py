"""A storage root that vanishes while pages are worked on: nothing is written or paid, and no attempt is lost."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from checkpointing.budget import write_budget
from checkpointing.errors import PageError, StorageError
from checkpointing.ledger import ledger_stages
from checkpointing.models import Status
from sample.provider import Provider, running_provider
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, steward_at_work
from tests.support.llm_deployment import MODEL
from tests.support.stages import Stamp, StampStage, stamp
from tests.support.waiting import wait_until
from worker.llm.prompt import Prompt
from worker.pipeline.process_page import Outcome
from worker.reconciler.reconciler import Steward
from worker.storage.root_marker import Library

PAGES = 5
Away = Callable[[], Callable[[], None]]


class Region(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    text: str


class Corrected(BaseModel):
    model_config = ConfigDict(title="correction", extra="ignore")

    regions: list[Region]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """One whose stage pays for each of its pages."""
    made = make_shop(
        tmp_path / "scans",
        monkeypatch,
        heal_seconds=0.2,
        llm_base_url=provider.base_url,
        llm_api_key="a-key",
        prices={MODEL: "0.15/0.60"},
    )
    monkeypatch.setattr(StampStage, "asks_model", True, raising=False)
    monkeypatch.setenv("LEAFMARK_STAMP_MODEL", MODEL)
    made.write_scan(pages=PAGES)
    made.ask_for((1, PAGES), total_pages=PAGES)
    write_budget(made.root / SCAN, Decimal(1))
    made.stage.act = lambda page: paid_stamp(made, page)
    return made


def paid_stamp(shop: Shop, page: int) -> Stamp:
    user = {"page": page, "before": "", "after": "", "regions": [{"id": "r1", "type": "body", "text": "Alice was"}]}
    prompt = Prompt(system="Correct this.", user=json.dumps(user), answer=Corrected, most_tokens=400)
    calls = shop.workshop.paid_calls(SCAN, STAGE)
    return stamp(page, calls.ask(page, prompt, lambda reply: reply.answer.regions[0].text))


def unmounted(shop: Shop) -> Callable[[], None]:
    away = shop.root.rename(shop.root.with_name("away"))
    return lambda: _put_back(away, shop.root)


def emptied(shop: Shop) -> Callable[[], None]:
    away = shop.root.rename(shop.root.with_name("away"))
    shop.root.mkdir()
    return lambda: _put_back(away, shop.root)


def another(shop: Shop) -> Callable[[], None]:
    """Another library that has a scan of the same id."""
    away = shop.root.rename(shop.root.with_name("away"))
    shop.write_scan(pages=PAGES)
    Library(shop.root).make()
    return lambda: _put_back(away, shop.root)


def _put_back(away: Path, root: Path) -> None:
    if root.exists():
        root.rename(root.with_name("bare"))
    away.rename(root)


WAYS = [unmounted, emptied, another]


@pytest.mark.parametrize("vanish", WAYS)
def test_pages_wait_and_nothing_is_written_or_paid_while_the_root_is_away(
    shop: Shop, provider: Provider, vanish: Callable[[Shop], Callable[[], None]]
) -> None:
    assert shop.process(1) is Outcome.COMPLETE
    paid = len(provider.bill().rows)
    come_back = vanish(shop)
    before = _names(shop.root)
    for page in range(2, PAGES + 1):
        with pytest.raises(StorageError, match=r"mount|another library"):
            shop.process(page)
    steward = Steward(shop.workshop, {STAGE: 2})
    for _ in range(3):
        with pytest.raises(StorageError, match=r"mount|another library"):
            steward.commit_inboxes()
        steward.heal()
    assert _names(shop.root) == before
    assert len(provider.bill().rows) == paid
    assert shop.queue.attempts().keys() <= {1}
    come_back()
    _finish(shop, provider)


@pytest.mark.parametrize("vanish", WAYS)
def test_a_root_that_vanishes_within_a_page_costs_it_no_attempt_and_no_call(
    shop: Shop, provider: Provider, vanish: Callable[[Shop], Callable[[], None]]
) -> None:
    come_back: list[Callable[[], None]] = []

    def vanish_first(page: int) -> Stamp:
        come_back.append(vanish(shop))
        before.extend(_names(shop.root))
        return paid_stamp(shop, page)

    before: list[str] = []
    pay, shop.stage.act = shop.stage.act, vanish_first
    assert shop.process(2) is Outcome.WAITS
    assert _names(shop.root) == before
    assert len(provider.bill().rows) == 0
    assert shop.queue.attempts() in ({}, {2: 0})
    come_back[0]()
    shop.stage.act = pay
    _finish(shop, provider)


@pytest.mark.parametrize("vanish", WAYS)
def test_a_picture_that_is_gone_with_its_share_quarantines_no_page(
    shop: Shop, vanish: Callable[[Shop], Callable[[], None]]
) -> None:
    def find_no_picture(_page: int) -> Stamp:
        vanish(shop)
        raise PageError("unreadable_image", "there is no such file")

    shop.stage.act = find_no_picture
    assert shop.process(2) is Outcome.WAITS
    assert shop.entries() == []


def test_ledgers_that_are_gone_are_not_counted_as_nothing_spent(shop: Shop) -> None:
    assert shop.process(1) is Outcome.COMPLETE
    shop.workshop.meter(SCAN).empty()
    come_back = emptied(shop)
    with pytest.raises(StorageError):
        shop.workshop.refill(SCAN)
    assert shop.workshop.meter(SCAN).read() is None
    come_back()
    assert shop.workshop.refill(SCAN)
    reading = shop.workshop.meter(SCAN).read()
    assert reading is not None
    assert reading.spent > 0


def test_a_budget_whose_file_vanishes_is_no_permission_to_spend(shop: Shop, provider: Provider) -> None:
    assert shop.process(1) is Outcome.COMPLETE
    (shop.root / SCAN / "ledger" / "budget.json").unlink()
    assert shop.process(2) is Outcome.WAITS
    assert len(provider.bill().rows) == 1
    write_budget(shop.root / SCAN, Decimal(1))
    assert shop.process(2) is Outcome.COMPLETE


def test_a_scan_whose_folder_is_gone_has_no_budget_that_can_be_read(shop: Shop) -> None:
    (shop.root / SCAN).rename(shop.root / "gone")
    with pytest.raises(StorageError, match="is not there, so nothing is spent"):
        shop.workshop.budget(SCAN)


def _names(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*"))


def _finish(shop: Shop, provider: Provider) -> None:
    """Let the book come to its end, and insist that each page was paid for once."""
    with steward_at_work(shop.workshop):
        for _ in range(PAGES * 20):
            if not shop.open_stages.all():
                break
            raw = shop.redis.rpop(shop.workshop.keys.queue(STAGE))
            if raw is not None:
                shop.redis.lpush(shop.workshop.keys.queue(STAGE), raw)
                shop.process_next()
            wait_until(lambda: shop.messages() or not shop.open_stages.all(), 20, "the next page")
    checkpoint = shop.checkpoint()
    assert checkpoint.status is Status.COMPLETED
    assert checkpoint.failed_pages == []
    assert len(provider.bill().rows) == PAGES
    assert ledger_stages(shop.root / SCAN) == [STAGE]
