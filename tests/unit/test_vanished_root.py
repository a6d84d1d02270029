"""A storage root that vanishes while pages are worked on: nothing is written or paid, and no attempt is lost."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from checkpointing.budget import write_budget
from checkpointing.errors import PageError, StorageError
from checkpointing.ledger import ledger_stages
from checkpointing.status import Status
from sample.provider import Provider
from tests.support.calls import Corrected
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, reconciler_at_work
from tests.support.llm_deployment import MODEL
from tests.support.stages import Stamp, StampStage, stamp
from tests.support.waiting import wait_until
from worker.llm.prompt import Prompt
from worker.plugins import Options
from worker.queue.messages import Outcome
from worker.reconciler.reconciler import Reconciler
from worker.storage.root_marker import Library

PAGES = 5
Away = Callable[[], Callable[[], None]]


class StampOptions(Options):
    stamp_model: str = ""


@pytest.fixture
def fake(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """One whose stage pays for each of its pages."""
    monkeypatch.setattr(StampStage, "uses_model", True)
    monkeypatch.setattr(StampStage, "Options", StampOptions)
    monkeypatch.setenv("LEAFMARK_STAMP_MODEL", MODEL)
    made = make_fake(
        tmp_path / "scans",
        monkeypatch,
        heal_seconds=0.2,
        llm_base_url=provider.base_url,
        llm_api_key="a-key",
        prices={MODEL: "0.15/0.60"},
    )
    made.write_scan(pages=PAGES)
    made.ask_for((1, PAGES), total_pages=PAGES)
    write_budget(made.root / SCAN, Decimal(1))
    made.stage.act = lambda page: paid_stamp(made, page)
    return made


def paid_stamp(fake: FakeDeployment, page: int) -> Stamp:
    user = {"page": page, "before": "", "after": "", "regions": [{"id": "r1", "type": "body", "text": "Alice was"}]}
    prompt = Prompt(system="Correct this.", user=json.dumps(user), answer=Corrected, most_tokens=400)
    calls = fake.parts.calls.paid_calls(REF)
    return stamp(page, calls.ask(page, prompt, lambda reply: reply.answer.regions[0].text))


def unmounted(fake: FakeDeployment) -> Callable[[], None]:
    away = fake.root.rename(fake.root.with_name("away"))
    return lambda: _put_back(away, fake.root)


def emptied(fake: FakeDeployment) -> Callable[[], None]:
    away = fake.root.rename(fake.root.with_name("away"))
    fake.root.mkdir()
    return lambda: _put_back(away, fake.root)


def another(fake: FakeDeployment) -> Callable[[], None]:
    """Another library that has a scan of the same id."""
    away = fake.root.rename(fake.root.with_name("away"))
    fake.write_scan(pages=PAGES)
    Library(fake.root).make()
    return lambda: _put_back(away, fake.root)


def _put_back(away: Path, root: Path) -> None:
    if root.exists():
        root.rename(root.with_name("bare"))
    away.rename(root)


WAYS = [unmounted, emptied, another]


@pytest.mark.parametrize("vanish", WAYS)
def test_pages_wait_and_nothing_is_written_or_paid_while_the_root_is_away(
    fake: FakeDeployment, provider: Provider, vanish: Callable[[FakeDeployment], Callable[[], None]]
) -> None:
    assert fake.process(1) is Outcome.COMPLETE
    paid = len(provider.bill().rows)
    come_back = vanish(fake)
    before = _names(fake.root)
    for page in range(2, PAGES + 1):
        with pytest.raises(StorageError, match=r"mount|another library"):
            fake.process(page)
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})
    for _ in range(3):
        with pytest.raises(StorageError, match=r"mount|another library"):
            reconciler.commit_inboxes()
        reconciler.recover()
    assert _names(fake.root) == before
    assert len(provider.bill().rows) == paid
    assert fake.queue.attempts().keys() <= {1}
    come_back()
    _finish(fake, provider)


@pytest.mark.parametrize("vanish", WAYS)
def test_a_root_that_vanishes_within_a_page_costs_it_no_attempt_and_no_call(
    fake: FakeDeployment, provider: Provider, vanish: Callable[[FakeDeployment], Callable[[], None]]
) -> None:
    come_back: list[Callable[[], None]] = []

    def vanish_first(page: int) -> Stamp:
        come_back.append(vanish(fake))
        before.extend(_names(fake.root))
        return paid_stamp(fake, page)

    before: list[str] = []
    pay, fake.stage.act = fake.stage.act, vanish_first
    assert fake.process(2) is Outcome.WAITS
    assert _names(fake.root) == before
    assert len(provider.bill().rows) == 0
    assert fake.queue.attempts() in ({}, {2: 0})
    come_back[0]()
    fake.stage.act = pay
    _finish(fake, provider)


@pytest.mark.parametrize("vanish", WAYS)
def test_a_picture_that_is_gone_with_its_share_quarantines_no_page(
    fake: FakeDeployment, vanish: Callable[[FakeDeployment], Callable[[], None]]
) -> None:
    def find_no_picture(_page: int) -> Stamp:
        vanish(fake)
        raise PageError("unreadable_image", "there is no such file")

    fake.stage.act = find_no_picture
    assert fake.process(2) is Outcome.WAITS
    assert fake.entries() == []


def test_ledgers_that_are_gone_are_not_counted_as_nothing_spent(fake: FakeDeployment) -> None:
    assert fake.process(1) is Outcome.COMPLETE
    fake.parts.calls.meter(SCAN).empty()
    come_back = emptied(fake)
    with pytest.raises(StorageError):
        fake.parts.calls.refill(SCAN)
    assert fake.parts.calls.meter(SCAN).read() is None
    come_back()
    assert fake.parts.calls.refill(SCAN)
    reading = fake.parts.calls.meter(SCAN).read()
    assert reading is not None
    assert reading.spent


def test_a_budget_whose_file_vanishes_is_no_permission_to_spend(fake: FakeDeployment, provider: Provider) -> None:
    assert fake.process(1) is Outcome.COMPLETE
    (fake.root / SCAN / "ledger" / "budget.json").unlink()
    assert fake.process(2) is Outcome.WAITS
    assert len(provider.bill().rows) == 1
    write_budget(fake.root / SCAN, Decimal(1))
    assert fake.process(2) is Outcome.COMPLETE


def test_a_scan_whose_folder_is_gone_has_no_budget_that_can_be_read(fake: FakeDeployment) -> None:
    (fake.root / SCAN).rename(fake.root / "gone")
    with pytest.raises(StorageError, match="does not exist, so no paid call is made"):
        fake.parts.calls.budget(SCAN)


def _names(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*"))


def _finish(fake: FakeDeployment, provider: Provider) -> None:
    """Let the book come to its end, and insist that each page was paid for once."""
    with reconciler_at_work(fake.parts):
        for _ in range(PAGES * 20):
            if not fake.open_stages.all():
                break
            raw = fake.redis.rpop(fake.parts.queues.keys.queue(STAGE))
            if raw is not None:
                fake.redis.lpush(fake.parts.queues.keys.queue(STAGE), raw)
                fake.process_next()
            wait_until(lambda: fake.messages() or not fake.open_stages.all(), 20, "the next page")
    checkpoint = fake.checkpoint()
    assert checkpoint.status is Status.COMPLETED
    assert checkpoint.failed_pages == []
    assert len(provider.bill().rows) == PAGES
    assert ledger_stages(fake.root / SCAN) == [STAGE]
