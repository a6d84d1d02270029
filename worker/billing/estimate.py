"""Tokens and cost of a call before it is made: the upper bound, and the likely amount.

**Upper bound.** A token of text stands for at least one byte: models cut text into byte-level BPE tokens, or into
pieces that fall back to single bytes. Some normalise the text first, which may lengthen it. An allowance covers
what servers add to the messages (roles, a template, instructions of their own). The schema counts twice, because a
server spells it in its own way.

**Pictures** count as for the most expensive known model: one token for each patch of 16 x 16 pixels and one more
for each row of patches (Pixtral), and at least what gpt-4o-mini takes for the largest picture, 2833 tokens and 5667
for each of at most eight tiles. For other models the estimate is too high, never too low.
"""

import math
import unicodedata
from typing import Literal

from checkpointing.money import Money
from worker.llm.prices import PriceBook
from worker.llm.prompt import Answer, Picture, Prompt, schema_text
from worker.llm.reply import Usage

_BYTES_A_TOKEN = 4
_FORMS: tuple[Literal["NFC", "NFKC"], ...] = ("NFC", "NFKC")
# Tokens that a server adds to a question of two messages; the longest templates known take about 200.
_AROUND = 512
# A patch of the finest grid that a model lays over a picture, in pixels.
_PATCH = 16
_MIN_TOKENS_OF_PICTURE = 2833 + 8 * 5667
# A picture takes about so many pixels a token with common models.
_LIKELY_PIXELS_A_TOKEN = 750


def most_tokens_in(prompt: Prompt[Answer]) -> int:
    """Return the maximum tokens of a question, including its picture, its schema and what servers add."""
    text = _max_tokens(prompt.system) + _max_tokens(prompt.user) + 2 * _max_tokens(schema_text(prompt.answer))
    return text + _max_tokens_of_picture(prompt.picture) + _AROUND


def most_cost(prompt: Prompt[Answer], model: str, prices: PriceBook) -> Money:
    """Return the maximum that a call can cost, rounded up to the micro-dollar; 0 for a model without a price."""
    usage = Usage(tokens_in=most_tokens_in(prompt), tokens_out=prompt.most_tokens)
    return Money.from_micro(Money.from_usd(prices.price(model, usage)).rounded_up)


def likely_tokens(text: str) -> int:
    """Return about how many tokens a text has: a quarter of its bytes."""
    return math.ceil(len(_encoded(text)) / _BYTES_A_TOKEN)


def likely_tokens_of(prompt: Prompt[Answer]) -> int:
    """Return about how many tokens a question and its answer have; the answer counts like the user's part."""
    picture = prompt.picture
    seen = 0 if picture is None else math.ceil(picture.width * picture.height / _LIKELY_PIXELS_A_TOKEN)
    answered = min(prompt.most_tokens, likely_tokens(prompt.user))
    return (
        likely_tokens(prompt.system)
        + likely_tokens(prompt.user)
        + likely_tokens(schema_text(prompt.answer))
        + seen
        + answered
    )


def _max_tokens(text: str) -> int:
    return max(len(_encoded(text)), *(len(_encoded(unicodedata.normalize(form, text))) for form in _FORMS))


def _max_tokens_of_picture(picture: Picture | None) -> int:
    if picture is None:
        return 0
    columns, rows = math.ceil(picture.width / _PATCH), math.ceil(picture.height / _PATCH)
    return max((columns + 1) * rows, _MIN_TOKENS_OF_PICTURE)


def _encoded(text: str) -> bytes:
    # Half a surrogate pair is invalid, but no reason to fail here.
    return text.encode(errors="surrogatepass")
