"""What a call may take and cost, before it is made."""

import json
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from checkpointing.money import Money
from worker.billing.estimate import likely_tokens, likely_tokens_of, most_cost, most_tokens_in
from worker.llm.prices import PriceBook, parse_prices
from worker.llm.prompt import Picture, Prompt
from worker.llm.reply import Usage

OWN = "http://127.0.0.1:8000/v1"
texts = st.text(st.characters(categories=None))


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str


def prompt(system: str = "Correct it.", user: str = "words", picture: Picture | None = None) -> Prompt[Answer]:
    return Prompt(system, user, Answer, most_tokens=1000, picture=picture)


def bytes_of(text: str) -> int:
    """Tokens of the worst tokenizer there is: one for each byte."""
    return len(text.encode(errors="surrogatepass"))


@given(texts, texts)
def test_no_tokenizer_makes_more_tokens_of_a_question(system: str, user: str) -> None:
    schema = json.dumps(Answer.model_json_schema())
    most = most_tokens_in(prompt(system, user))
    assert most >= bytes_of(system) + bytes_of(user) + bytes_of(schema)
    for form in ("NFC", "NFKC"):
        normal = [unicodedata.normalize(form, text) for text in (system, user)]
        assert most >= sum(map(bytes_of, normal)) + bytes_of(schema)


@given(texts, st.integers(0, 1000))
def test_a_call_never_costs_more_than_it_was_estimated_at(user: str, tokens_out: int) -> None:
    book = PriceBook(parse_prices("m=0.15/0.6/0.07"), OWN)
    asked = prompt(user=user)
    usage = Usage(tokens_in=bytes_of(asked.system + asked.user), tokens_out=tokens_out, tokens_cached=len(user))
    assert Money.from_usd(book.cost("m", usage, None)[0]) <= most_cost(asked, "m", book)


@pytest.mark.parametrize("size", [(1, 1), (768, 768), (1240, 1754), (2480, 3508), (100, 10_000)])
def test_no_model_takes_more_tokens_for_a_picture(size: tuple[int, int]) -> None:
    width, height = size
    picture = Picture("image/png", b"", width, height)
    seen = most_tokens_in(prompt(picture=picture)) - most_tokens_in(prompt())
    gpt_4o_mini_at_most = 2833 + 8 * 5667
    pixtral = -(-width // 16) * -(-height // 16) + -(-height // 16)
    qwen = width * height / (28 * 28)
    claude = width * height / 750
    assert seen >= max(gpt_4o_mini_at_most, pixtral, qwen, claude)


def test_the_most_is_rounded_up_to_the_micro_dollar() -> None:
    book = PriceBook(parse_prices("m=0/0.0005"), OWN)
    assert most_cost(prompt(), "m", book) == Money.from_micro(1)


def test_a_model_without_a_price_is_estimated_at_nothing() -> None:
    assert most_cost(prompt(), "nonesuch-7b", PriceBook({}, OWN)) == Money()


def test_a_longer_answer_may_cost_more() -> None:
    book = PriceBook(parse_prices("m=1/2"), OWN)
    longer = Prompt("Correct it.", "words", Answer, most_tokens=2000)
    assert most_cost(longer, "m", book) == most_cost(prompt(), "m", book) + Money.from_usd(Decimal("0.002"))


def test_a_text_is_likely_a_quarter_of_its_bytes() -> None:
    assert likely_tokens("") == 0
    assert likely_tokens("abcde") == 2
    assert likely_tokens("é" * 4) == 2


def test_a_question_is_likely_far_less_than_the_most() -> None:
    picture = Picture("image/jpeg", b"", 1200, 1600)
    question = prompt(user="words " * 500, picture=picture)
    assert 1000 < likely_tokens_of(question) < most_tokens_in(question) / 3
