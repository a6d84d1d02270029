"""Before a stage that costs money: means, prices, and a budget that is kept."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from checkpointing.budget import read_budget
from checkpointing.errors import SettingsError, StorageError, UnknownNameError
from producer.planning.spending import check_model_and_price, set_budget
from tests.support.fake_deployment import SCAN, FakeDeployment, make_fake

NEEDED = {"llm_base_url": "http://127.0.0.1:9/v1", "llm_api_key": "a-key", "correction_model": "a-model"}
PRICED = {"prices": "a-model=0.15/0.60"}

Make = Callable[..., FakeDeployment]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(**settings: str) -> FakeDeployment:
        fake = make_fake(tmp_path / "scans", monkeypatch, **settings)
        fake.write_scan()
        return fake

    return made


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(make: Make, missing: str) -> None:
    fake = make(**(NEEDED | PRICED | {missing: ""}))
    with pytest.raises(SettingsError, match=f"LEAFMARK_{missing.upper()}"):
        check_model_and_price(fake.parts.settings, "correction")


def test_a_stage_without_a_model_needs_nothing(make: Make) -> None:
    check_model_and_price(make().parts.settings, "ocr")


def test_a_model_without_a_price_is_refused_unless_that_is_allowed(make: Make) -> None:
    fake = make(**NEEDED)
    with pytest.raises(SettingsError, match=r"LEAFMARK_PRICES='a-model=.*--allow-unpriced"):
        check_model_and_price(fake.parts.settings, "correction")
    check_model_and_price(fake.parts.settings, "correction", allow_unpriced=True)


def test_a_price_that_is_set_or_listed_will_do(make: Make) -> None:
    check_model_and_price(make(**NEEDED, **PRICED).parts.settings, "correction")


def test_a_listed_price_will_do(make: Make) -> None:
    check_model_and_price(make(**(NEEDED | {"correction_model": "gpt-4o-mini"})).parts.settings, "correction")


def test_a_budget_is_kept_with_the_scan_and_goes_before_that_of_the_settings(make: Make) -> None:
    fake = make(budget_usd="7.50")
    assert fake.parts.calls.budget(SCAN) == Decimal("7.50")
    set_budget(fake.parts.store, SCAN, Decimal("0.1"))
    set_budget(fake.parts.store, SCAN, None)
    assert fake.another_process().calls.budget(SCAN) == Decimal("0.1")


def test_a_budget_of_no_scan_is_refused(make: Make) -> None:
    with pytest.raises(UnknownNameError):
        set_budget(make().parts.store, "no-book", Decimal(1))


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"budget_usd": "NaN"}', b'{"budget_usd": "-1"}', b"\x00"])
def test_a_budget_that_cannot_be_read_lets_nothing_be_spent(make: Make, damage: bytes) -> None:
    fake = make()
    set_budget(fake.parts.store, SCAN, Decimal(1))
    (fake.root / SCAN / "ledger" / "budget.json").write_bytes(damage)
    with pytest.raises(StorageError, match="--budget"):
        read_budget(fake.root / SCAN)
