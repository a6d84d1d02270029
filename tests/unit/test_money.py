from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointing.money import Money, add_usd, whole_micro

micro_dollars = st.integers(min_value=0, max_value=10**12)


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ((), 0.0),
        ((0.1, 0.2), 0.3),
        ((0.1,) * 10, 1.0),
        ((0.01,) * 447, 4.47),
        ((8.5, 1.2, 0.5), 10.2),
        ((1, 2), 3.0),
        ((0.0000004,), 0.0000004),
        ((0.0000004,) * 100_000, 0.04),
        ((123456789.123456, 0.000001), 123456789.123457),
    ],
)
def test_dollars_add_up_as_on_paper(amounts: tuple[float, ...], total: float) -> None:
    assert add_usd(*amounts) == total


def test_a_total_built_up_step_by_step_is_the_same_as_the_sum() -> None:
    total = 0.0
    for _ in range(1000):
        total = add_usd(total, 0.1)
    assert total == 100.0


@given(st.lists(micro_dollars, max_size=20))
def test_no_micro_dollar_is_lost_in_any_order(amounts: list[int]) -> None:
    usd = [amount / 1_000_000 for amount in amounts]
    assert add_usd(*usd) == add_usd(*reversed(usd)) == float(Decimal(sum(amounts)) / 1_000_000)


def test_money_keeps_the_decimals_of_a_micro_dollar_and_writes_a_plain_number() -> None:
    amount = Money.from_usd(Decimal("0.0000004"))
    assert amount == Money.from_micro(Decimal("0.4"))
    assert (amount.usd, amount.exact_usd) == (0.0000004, Decimal("0.0000004"))
    assert Money.total([amount] * 25) == Money.from_micro(10)
    assert Money.from_usd(0.1) + Money.from_usd(0.2) == Money.from_usd(0.3)


def test_money_rounds_limits_down_and_reservations_up() -> None:
    amount = Money.from_micro(Decimal("7.5"))
    assert (amount.rounded_down, amount.rounded_up) == (7, 8)
    assert (whole_micro(amount), whole_micro(None)) == (7, None)


@pytest.mark.parametrize(
    ("micro", "text"), [(0, "$0.00"), (1_920_000, "$1.92"), (3_100, "$0.0031"), (Decimal("0.4"), "$0.00000040")]
)
def test_money_prints_two_significant_digits_below_a_dollar(micro: Decimal | int, text: str) -> None:
    assert str(Money.from_micro(micro)) == text
