"""What models cost, and who says so."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.prices import Price, PriceBook, parse_prices
from worker.llm.reply import CostSource, Usage

OPENAI = "https://api.openai.com/v1"
OPENROUTER = "https://openrouter.ai/api/v1"
OWN = "http://127.0.0.1:8000/v1"
MILLION = 1_000_000


def price(*amounts: str) -> Price:
    return Price(*map(Decimal, amounts))


def test_prices_are_read_as_in_out_and_cached() -> None:
    prices = parse_prices(" my-model=0.15/0.60, openai/gpt-4o = 1 / 2 / 0.1 ,qwen2.5:7b=0/0, ")
    assert prices == {
        "my-model": price("0.15", "0.60"),
        "openai/gpt-4o": price("1", "2", "0.1"),
        "qwen2.5:7b": price("0", "0"),
    }
    assert parse_prices("") == {}
    assert parse_prices("a=b=1/2") == {"a=b": price("1", "2")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("my-model", "'my-model' is not of the form"),
        ("=1/2", "'=1/2' is not of the form"),
        ("m=1", "not have two or three prices"),
        ("m=1/2/3/4", "not have two or three prices"),
        ("m=1/dear", "'dear' in 'm=1/dear' is not a number"),
        ("m=1/", "'' in 'm=1/' is not a number"),
        ("m=-1/2", "-1 in 'm=-1/2' is not between 0 and"),
        ("m=1/nan", "nan in 'm=1/nan' is not between 0 and"),
        ("m=1/1e9", "1e9 in 'm=1/1e9' is not between 0 and"),
        ("m=1/2, m=1/2", "m has two prices"),
    ],
)
def test_prices_that_are_written_wrongly_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_prices(text)


@given(st.text())
def test_whatever_is_written_is_prices_or_refused(text: str) -> None:
    try:
        prices = parse_prices(text)
    except ValueError:
        return
    assert all(isinstance(each, Price) for each in prices.values())


def test_what_the_provider_says_comes_first() -> None:
    book = PriceBook({"gpt-4o-mini": price("1", "1")}, OPENAI)
    cost = book.cost("gpt-4o-mini", Usage(tokens_in=MILLION), Decimal("0.1234567"))
    assert cost == (Decimal("0.1234567"), CostSource.PROVIDER)


def test_a_cost_of_nothing_reported_for_a_model_whose_price_the_user_set_does_not_count() -> None:
    book = PriceBook({"m": price("1", "2")}, OWN)
    usage = Usage(tokens_in=MILLION, tokens_out=MILLION)
    assert book.cost("m", usage, Decimal(0)) == (Decimal(3), CostSource.SET)
    assert book.cost("m", usage, Decimal("0.5")) == (Decimal("0.5"), CostSource.PROVIDER)
    assert book.cost("openrouter/free", usage, Decimal(0)) == (Decimal(0), CostSource.PROVIDER)


def test_what_the_user_sets_comes_before_the_list() -> None:
    book = PriceBook({"gpt-4o-mini": price("1", "2")}, OPENAI)
    usage = Usage(tokens_in=MILLION, tokens_out=MILLION, tokens_cached=MILLION // 2, tokens_reasoning=MILLION // 2)
    assert book.cost("gpt-4o-mini", usage, None) == (Decimal(3), CostSource.SET)


def test_cached_tokens_are_among_those_in_and_have_their_own_price() -> None:
    book = PriceBook({"m": price("1", "2", "0.1")}, OWN)
    assert book.cost("m", Usage(tokens_in=MILLION, tokens_cached=MILLION // 2), None)[0] == Decimal("0.55")
    assert book.cost("m", Usage(tokens_in=10, tokens_cached=MILLION), None)[0] == Decimal("0.000001")


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        (OPENAI, "gpt-4o-mini"),
        (OPENROUTER, "openai/gpt-4o-mini"),
        (OWN, "gpt-4o-mini"),
        (OWN, "openai/gpt-4o-mini"),
    ],
)
def test_the_list_knows_models_by_server_and_by_name(base_url: str, model: str) -> None:
    book = PriceBook({}, base_url)
    usage = Usage(tokens_in=MILLION, tokens_out=MILLION, tokens_cached=MILLION // 2)
    assert book.knows(model)
    assert book.cost(model, usage, None) == (Decimal("0.7125"), CostSource.LISTED)


def test_a_model_without_a_known_price_counts_as_nothing() -> None:
    book = PriceBook({}, OWN)
    assert not book.knows("nonesuch-7b")
    assert book.cost("nonesuch-7b", Usage(tokens_in=MILLION), None) == (Decimal(0), CostSource.UNPRICED)
    assert book.price("nonesuch-7b", Usage(tokens_in=MILLION)) == 0
    assert book.describe("nonesuch-7b") == "no price known"


def test_a_server_of_ones_own_costs_nothing_when_that_is_said() -> None:
    book = PriceBook(parse_prices("nonesuch-7b=0/0"), OWN)
    assert book.knows("nonesuch-7b")
    assert book.cost("nonesuch-7b", Usage(tokens_in=MILLION), None) == (Decimal(0), CostSource.SET)


@pytest.mark.parametrize(("tokens", "cost"), [(1, "0.0000005"), (3, "0.0000015")])
def test_a_cost_finer_than_a_micro_dollar_is_not_rounded(tokens: int, cost: str) -> None:
    book = PriceBook({"m": price("0.5", "0")}, OWN)
    assert book.cost("m", Usage(tokens_in=tokens), None)[0] == Decimal(cost)
    assert book.cost("m", Usage(), Decimal("0.00000000123"))[0] == Decimal("0.00000000123")


def test_a_price_is_described_for_people() -> None:
    listed = PriceBook({}, OPENAI).describe("gpt-4o-mini")
    assert listed.startswith("$0.15 in, $0.60 out a million tokens, genai-prices ")
    book = PriceBook(parse_prices("a=0.15/0.6, b=10/20/0.0125"), OWN)
    assert book.describe("a") == "$0.15 in, $0.60 out a million tokens, set by LEAFMARK_PRICES"
    assert book.describe("b") == "$10.00 in, $20.00 out, $0.0125 cached a million tokens, set by LEAFMARK_PRICES"


def test_a_price_that_rises_with_the_length_is_described_by_its_base() -> None:
    assert PriceBook({}, OPENROUTER).describe("anthropic/claude-sonnet-4.5").startswith("$3.00 in, $15.00 out")
