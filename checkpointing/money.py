"""Adding dollars without losing any: decimal inside, to the micro-dollar, a plain number in JSON."""

import math
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Annotated

from pydantic import Field

Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
"""An amount in USD as it stands in a file or a message."""

MICRO_DOLLAR = Decimal("0.000001")
_MOST_PLACES = 6


def add_usd(*amounts: float) -> float:
    """The sum of amounts in USD, rounded to the micro-dollar.

    Going through the decimal text of each float keeps 0.1 + 0.2 at 0.3, however many are added.
    """
    total = sum((Decimal(str(amount)) for amount in amounts), Decimal(0))
    return float(total.quantize(MICRO_DOLLAR, rounding=ROUND_HALF_EVEN))


def micro(usd: Decimal, *, at_most: bool = False) -> int:
    """An amount in USD as whole micro-dollars; rounded up where it is to be the most that something may cost."""
    return int((usd / MICRO_DOLLAR).quantize(Decimal(1), rounding=ROUND_UP if at_most else ROUND_HALF_EVEN))


def usd(micro_dollars: int) -> float:
    """Whole micro-dollars as an amount in USD, for JSON."""
    return float(micro_dollars * MICRO_DOLLAR)


def dollars(amount: float) -> str:
    """An amount in USD for people: `$1.92`; of less than a dollar two digits that count: `$0.0031`."""
    if not 0 < amount < 1:
        return f"${amount:,.2f}"
    places = 1 - math.floor(math.log10(amount))
    return f"${amount:.{min(_MOST_PLACES, max(2, places))}f}"
