"""What models cost, and the source of each price.

The first source that has a price counts: the provider, with its answer; the user, in LEAFMARK_PRICES; the price
list of `genai-prices` in the installed version. Nothing is fetched, so that a call costs the same on every machine.
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
# More than any model costs; a higher price is a typing error.
_MAX_USD_PER_MILLION = Decimal(100_000)
_IN_OUT, _IN_OUT_CACHED = 2, 3


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD per million tokens.

    Attributes:
        usd_per_million_out: for the answer, which includes reasoning.
        usd_per_million_cached: for tokens of the question from the provider's cache; None: as the others.
    """

    usd_per_million_in: Decimal
    usd_per_million_out: Decimal
    usd_per_million_cached: Decimal | None = None

    def of(self, usage: Usage) -> Decimal:
        """Return what a call costs, in USD, not rounded."""
        cached = min(usage.tokens_cached, usage.tokens_in)
        per_cached = self.usd_per_million_in if self.usd_per_million_cached is None else self.usd_per_million_cached
        total = (
            (usage.tokens_in - cached) * self.usd_per_million_in
            + cached * per_cached
            + usage.tokens_out * self.usd_per_million_out
        )
        return total / _MILLION


def parse_prices(text: str) -> dict[str, Price]:
    """Return prices by model from `my-model=0.15/0.60, other=1/2/0.1`: USD per million tokens in/out[/cached].

    Raises:
        ValueError: the text has another form; the message names what and where.
    """
    prices: dict[str, Price] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        # Names of models have slashes and colons, and may have an equals sign.
        model, _, amounts = (piece.strip() for piece in part.rpartition("="))
        if not model:
            raise ValueError(f"{part!r} is not of the form model=in/out or model=in/out/cached")
        if model in prices:
            raise ValueError(f"{model} has two prices")
        prices[model] = _parse_price(part, amounts.split("/"))
    return prices


def prices_of_table(table: Mapping[str, object]) -> dict[str, Price]:
    """Return prices by model from a config table: each `"0.15/0.60"` or `{in = 0.15, out = 0.6, cached = 0.1}`.

    Raises:
        ValueError: a price has another form; the message names what and where.
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
        raise ValueError(f"{part!r} does not have two or three prices: model=in/out or model=in/out/cached")
    return Price(*(_parse_amount(part, amount) for amount in amounts))


def _parse_amount(part: str, amount: str) -> Decimal:
    try:
        parsed = Decimal(amount.strip())
    except InvalidOperation:
        raise ValueError(f"{amount.strip()!r} in {part!r} is not a number") from None
    if not parsed.is_finite() or not 0 <= parsed <= _MAX_USD_PER_MILLION:
        raise ValueError(
            f"{amount.strip()} in {part!r} is not between 0 and {_MAX_USD_PER_MILLION} USD per million tokens"
        )
    return parsed


class PriceBook:
    """Prices of calls, before and after they are made.

    Args:
        set_prices: the user's, by the exact name of the model.
        base_url: address of the server; the price of a model depends on it.
    """

    def __init__(self, set_prices: Mapping[str, Price], base_url: str) -> None:
        self._set_prices = dict(set_prices)
        self._base_url = base_url

    def cost(self, model: str, usage: Usage, reported: Decimal | None) -> tuple[Decimal, CostSource]:
        """Return what a call cost, in USD, not rounded, and the source of that price.

        `reported` is the cost that the provider reports, in USD; None where it reports none.
        """
        believed = self.believed(model, reported)
        return self._priced(model, usage) if believed is None else (believed, CostSource.PROVIDER)

    def believed(self, model: str, reported: Decimal | None) -> Decimal | None:
        """Return the cost that a provider reports, in USD; None where it reports none or one to be ignored.

        A gateway that does not know a model reports 0 for it. Where the user has set a price, that price counts.
        """
        return None if reported == 0 and model in self._set_prices else reported

    def price(self, model: str, usage: Usage) -> Decimal:
        """Return what a call with these tokens costs, in USD, not rounded; 0 for a model without a known price."""
        return self._priced(model, usage)[0]

    def knows(self, model: str) -> bool:
        """Return whether the user or the list has a price for a model."""
        return model in self._set_prices or self._listed(model, Usage()) is not None

    def describe(self, model: str) -> str:
        """Return a model's price for people: `$0.15 in, $0.60 out a million tokens, genai-prices 0.2.3`."""
        if (price := self._set_prices.get(model)) is not None:
            return f"{_in_words(price)}, set by LEAFMARK_PRICES"
        if (listed := self._listed(model, Usage())) is None:
            return "no price known"
        each = Price(_base(listed, "input_mtok"), _base(listed, "output_mtok"))
        return f"{_in_words(each)}, {_list_in_words()}"

    def _priced(self, model: str, usage: Usage) -> tuple[Decimal, CostSource]:
        if (price := self._set_prices.get(model)) is not None:
            return price.of(usage), CostSource.SET
        if (listed := self._listed(model, usage)) is not None:
            return listed.total_price, CostSource.LISTED
        return Decimal(0), CostSource.UNPRICED

    def _listed(self, model: str, usage: Usage) -> "PriceCalculation | None":
        """Return the list's price for this server, else for the model's maker, else for OpenRouter's name of it."""
        # Loading the list takes 0.2 s, which commands that call no model need not spend.
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
    """Return the listed price in USD per million tokens; of models with tiers, that of short questions."""
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
    """Return `$0.60`, with more places where needed."""
    places = max(2, -int(usd.normalize().as_tuple().exponent))
    return f"${usd:.{places}f}"
