"""What models cost, and who says so.

The first of these that knows: the provider, with its answer; the user, in LEAFMARK_PRICES; the price list of
`genai-prices`, as it was bundled with the installed version. Nothing is fetched, so that the same call costs the
same on every machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from worker.llm.reply import CostSource, Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_MILLION = Decimal(1_000_000)
# Dearer than any model there is; a price beyond it is a slip of the finger.
_MOST_USD_PER_MILLION = Decimal(100_000)
_IN_OUT, _IN_OUT_CACHED = 2, 3


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD per million tokens.

    Attributes:
        usd_per_million_in: of the question.
        usd_per_million_out: of the answer; tokens of reasoning are among these.
        usd_per_million_cached: of those tokens of the question that the provider remembered; None: like the others.
    """

    usd_per_million_in: Decimal
    usd_per_million_out: Decimal
    usd_per_million_cached: Decimal | None = None

    def of(self, usage: Usage) -> Decimal:
        """What a call costs, in USD, not rounded."""
        cached = min(usage.tokens_cached, usage.tokens_in)
        per_cached = self.usd_per_million_in if self.usd_per_million_cached is None else self.usd_per_million_cached
        total = (
            (usage.tokens_in - cached) * self.usd_per_million_in
            + cached * per_cached
            + usage.tokens_out * self.usd_per_million_out
        )
        return total / _MILLION


def parse_prices(text: str) -> dict[str, Price]:
    """Prices by model, from `my-model=0.15/0.60, other=1/2/0.1`: in/out or in/out/cached, USD per million tokens.

    Raises:
        ValueError: it is written in another way; says what is wrong where.
    """
    prices: dict[str, Price] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        # The names of models may have slashes and colons, and nothing keeps them from having an equals sign.
        model, _, amounts = (piece.strip() for piece in part.rpartition("="))
        if not model:
            raise ValueError(f"{part!r} is not of the form model=in/out or model=in/out/cached")
        if model in prices:
            raise ValueError(f"{model} has two prices")
        prices[model] = _parse_price(part, amounts.split("/"))
    return prices


def prices_of_table(table: Mapping[str, object]) -> dict[str, Price]:
    """Prices by model, from a table of a config file: each `"0.15/0.60"` or `{in = 0.15, out = 0.6, cached = 0.1}`.

    Raises:
        ValueError: one is written in another way; says what is wrong where.
    """
    return {model: _price_of_entry(model, entry) for model, entry in table.items()}


def _price_of_entry(model: str, entry: object) -> Price:
    if isinstance(entry, Price):
        return entry
    if isinstance(entry, str):
        return _parse_price(f"{model}={entry}", entry.split("/"))
    if isinstance(entry, Mapping) and {"in", "out"} <= entry.keys() <= {"in", "out", "cached"}:
        part = ", ".join(f"{name} = {amount}" for name, amount in entry.items())
        amounts = (entry[name] for name in ("in", "out", "cached") if name in entry)
        return Price(*(_parse_amount(f"{model}: {part}", str(amount)) for amount in amounts))
    raise ValueError(f'the price of {model} is neither "in/out" nor {{in = ..., out = ..., cached = ...}}')


def _parse_price(part: str, amounts: list[str]) -> Price:
    if len(amounts) not in {_IN_OUT, _IN_OUT_CACHED}:
        raise ValueError(f"{part!r} has not two prices or three: model=in/out or model=in/out/cached")
    return Price(*(_parse_amount(part, amount) for amount in amounts))


def _parse_amount(part: str, amount: str) -> Decimal:
    try:
        parsed = Decimal(amount.strip())
    except InvalidOperation:
        raise ValueError(f"{amount.strip()!r} in {part!r} is no number") from None
    if not parsed.is_finite() or not 0 <= parsed <= _MOST_USD_PER_MILLION:
        raise ValueError(
            f"{amount.strip()} in {part!r} is not between 0 and {_MOST_USD_PER_MILLION} USD per million tokens"
        )
    return parsed


class PriceBook:
    """Says what a call has cost, and what one will.

    Args:
        set_prices: the user's, by the exact name of the model.
        base_url: of the server; the same model may cost more at another.
    """

    def __init__(self, set_prices: Mapping[str, Price], base_url: str) -> None:
        self._set_prices = dict(set_prices)
        self._base_url = base_url

    def cost(self, model: str, usage: Usage, reported: Decimal | None) -> tuple[Decimal, CostSource]:
        """What a call has cost, in USD, not rounded, and who says so.

        Args:
            model: that was asked.
            usage: its tokens.
            reported: what the provider says that it cost, in USD; None where it says nothing.
        """
        if (believed := self.believed(model, reported)) is not None:
            return believed, CostSource.PROVIDER
        if (price := self._set_prices.get(model)) is not None:
            return price.of(usage), CostSource.SET
        if (listed := self._listed(model, usage)) is not None:
            return listed.total_price, CostSource.LISTED
        return Decimal(0), CostSource.UNPRICED

    def believed(self, model: str, reported: Decimal | None) -> Decimal | None:
        """What a provider says that a call cost, in USD; None where it says nothing, or cannot know.

        A gateway that does not know a model reports 0 for it. Where the user has set a price, that price counts.
        """
        return None if reported == 0 and model in self._set_prices else reported

    def price(self, model: str, usage: Usage) -> Decimal:
        """What a call with so many tokens costs, in USD, not rounded; 0 for a model whose price nobody knows."""
        if (price := self._set_prices.get(model)) is not None:
            return price.of(usage)
        listed = self._listed(model, usage)
        return Decimal(0) if listed is None else listed.total_price

    def knows(self, model: str) -> bool:
        """Whether the user or the list has a price for a model."""
        return model in self._set_prices or self._listed(model, Usage()) is not None

    def describe(self, model: str) -> str:
        """A model's price for people: `$0.15 in, $0.60 out a million tokens, genai-prices 0.2.3`."""
        if (price := self._set_prices.get(model)) is not None:
            return f"{_in_words(price)}, set by LEAFMARK_PRICES"
        if (listed := self._listed(model, Usage())) is None:
            return "no price known"
        each = Price(_base(listed, "input_mtok"), _base(listed, "output_mtok"))
        return f"{_in_words(each)}, {_list_in_words()}"

    def _listed(self, model: str, usage: Usage) -> "PriceCalculation | None":
        """What the list says for this server, else for the model's maker, else for OpenRouter's name of it."""
        # The list takes a fifth of a second to load, which commands that ask no model need not spend.
        from genai_prices import Usage as ListedUsage  # noqa: PLC0415
        from genai_prices import calc_price  # noqa: PLC0415

        tokens = ListedUsage(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            cache_read_tokens=min(usage.tokens_cached, usage.tokens_in),
        )
        lookups: tuple[Callable[[], PriceCalculation], ...] = (
            lambda: calc_price(tokens, model, provider_api_url=self._base_url),
            lambda: calc_price(tokens, model),
            lambda: calc_price(tokens, model, provider_id="openrouter"),
        )
        for lookup in lookups:
            try:
                return lookup()
            except LookupError:
                continue
        return None


@cache
def _list_in_words() -> str:
    return f"genai-prices {version('genai-prices')}"


def _base(listed: "PriceCalculation", key: str) -> Decimal:
    """The listed price of short questions, in USD per million tokens; some models have others for long ones."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415  # see above

    price = getattr(listed.model_price, key)
    if isinstance(price, TieredPrices):
        return price.base
    return price if isinstance(price, Decimal) else Decimal(0)


def _in_words(price: Price) -> str:
    cached = price.usd_per_million_cached
    also = "" if cached is None else f", {_dollars(cached)} cached"
    return (
        f"{_dollars(price.usd_per_million_in)} in, {_dollars(price.usd_per_million_out)} out{also} a million tokens"
    )


def _dollars(usd: Decimal) -> str:
    """`$0.60`, and as many places more as it takes."""
    places = max(2, -int(usd.normalize().as_tuple().exponent))
    return f"${usd:.{places}f}"
