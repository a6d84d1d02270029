"""The plan: what a dry run says is what the real one then does."""

from pathlib import Path

import pytest

from checkpointing.models import FailedPage
from producer.enqueue import enqueue, plan
from producer.request import Plan, Request
from tests.shop import SCAN, STAGE, Shop, make_shop
from tests.stages import stamp


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """1 and 3 are complete and then damaged, 2 is complete, 4 is not named complete, 5 is in quarantine."""
    monkeypatch.setattr("producer.enqueue.check_broker", bool)  # the fake broker has no address
    made = make_shop(tmp_path / "scans", monkeypatch)
    made.write_scan()
    made.ask_for((1, 5))
    made.complete(1, 2, 3, cost_usd=0.1)
    made.hand_over(FailedPage(page=5, kind="torn", message="torn"))
    made.commit()
    made.completion(4)
    made.output_path(1).unlink()
    made.output_path(3).write_text(stamp(3, "by hand").model_dump_json())
    return made


def _comparable(made: Plan) -> tuple[object, ...]:
    return (
        made.completed,
        made.skipped,
        made.remaining,
        made.requeued,
        [failed.page for failed in made.quarantined],
        made.total_cost_usd,
        made.cost_saved_usd,
        bool(made.set_aside),
    )


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("torn", [True, False])
def test_a_dry_run_changes_nothing_and_says_what_the_real_one_does(shop: Shop, resume: bool, torn: bool) -> None:
    if torn:
        path = shop.workshop.checkpoint_file(SCAN, STAGE).path
        path.write_bytes(path.read_bytes()[:-30])
    request = Request(SCAN, STAGE, 1, 4, resume=resume)
    before = (shop.files(), shop.redis_keys())
    said = plan(shop.workshop, request)
    assert (shop.files(), shop.redis_keys()) == before
    assert said.enqueued == []
    assert _comparable(enqueue(shop.workshop, request)) == _comparable(said)
