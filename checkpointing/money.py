"""Adding dollars without losing any: decimal inside, with the provider's own decimals; a plain number in JSON.

A call may cost less than a micro-dollar, and a hundred thousand of them do not cost nothing. So amounts are kept as
they came and summed exactly; they are rounded only where people read them.
"""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
"""An amount in USD as it stands in a file or a message."""

MICRO_DOLLAR = Decimal("0.000001")
MOST_DECIMALS = 12
"""Decimals of a micro-dollar that are kept. No price is known with so many."""
_LEAST_MICRO = Decimal(1).scaleb(-MOST_DECIMALS)
# Of sums of floats: 0.1 + 0.2 is 0.3. Finer than any price.
_LEAST_USD = Decimal("1e-15")
_MOST_PLACES, _MOST_PLACES_BELOW_MICRO = 6, 15
# Digits before and after the point of the largest amount there is.
_CONTEXT = Context(prec=60)


def plain(amount: Decimal) -> int | str:
    """An amount as it stands in a file: a whole number as such, any other as text, without exponent."""
    whole = int(amount)
    return whole if whole == amount else format(amount, "f").rstrip("0")


MicroDollars = Annotated[
    Decimal,
    Field(ge=0, le=10**15, allow_inf_nan=False),
    PlainSerializer(plain, return_type=int | str, when_used="json"),
]
"""An amount in micro-dollars as it stands in a file: with decimals where a call cost a fraction of one."""


def add_usd(*amounts: float) -> float:
    """The sum of amounts in USD, exact but for what floats cannot say.

    Going through the decimal text of each float keeps 0.1 + 0.2 at 0.3, however many are added.
    """
    total = sum((Decimal(str(amount)) for amount in amounts), Decimal(0))
    return float(total.quantize(_LEAST_USD, ROUND_HALF_EVEN, _CONTEXT))


def exact_micro(usd: Decimal) -> Decimal:
    """An amount in USD in micro-dollars, with its decimals."""
    micro_dollars = usd.scaleb(6, _CONTEXT)
    exponent = micro_dollars.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
        micro_dollars = micro_dollars.quantize(_LEAST_MICRO, ROUND_CEILING, _CONTEXT)
    return micro_dollars


def micro(usd: Decimal, *, at_most: bool = False) -> int:
    """An amount in USD as whole micro-dollars; rounded up where it is to be the most that something may cost."""
    return _whole(usd, ROUND_CEILING if at_most else ROUND_HALF_EVEN)


def bound_micro(usd: Decimal) -> int:
    """A bound in USD as whole micro-dollars, rounded down."""
    return _whole(usd, ROUND_FLOOR)


def _whole(usd: Decimal, rounding: str) -> int:
    return int((usd / MICRO_DOLLAR).quantize(Decimal(1), rounding, _CONTEXT))


def usd(micro_dollars: Decimal | int) -> float:
    """Micro-dollars as an amount in USD, for JSON."""
    return float(micro_dollars * MICRO_DOLLAR)


def dollars(amount: float) -> str:
    """An amount in USD for people: `$1.92`; of less than a dollar two digits that count: `$0.0031`."""
    if not 0 < amount < 1:
        return f"${amount:,.2f}"
    places = 1 - math.floor(math.log10(amount))
    most = _MOST_PLACES if amount >= MICRO_DOLLAR else _MOST_PLACES_BELOW_MICRO
    return f"${amount:.{min(most, max(2, places))}f}"
