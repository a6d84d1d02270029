"""Money: exact decimals inside, a plain number in JSON, rounded only where people read it.

A call may cost less than a micro-dollar, and a hundred thousand of them do not cost nothing. So amounts keep the
decimals that the provider sent, and are summed exactly.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
"""An amount in USD as it stands in a file or a message."""

MAX_DECIMALS = 12
"""Decimals of a micro-dollar that are kept. No known price has so many."""
_MICRO_DOLLAR = Decimal("0.000001")
_MIN_MICRO = Decimal(1).scaleb(-MAX_DECIMALS)
# The unit that sums of floats are rounded to: 0.1 + 0.2 is 0.3. Finer than any price.
_MIN_USD = Decimal("1e-15")
_MAX_PLACES, _MAX_PLACES_BELOW_MICRO = 6, 15
# Digits before and after the point of the largest amount.
_CONTEXT = Context(prec=60)


def plain(micro: Decimal) -> int | str:
    """Return micro-dollars as they stand in a file: a whole number as such, others as text without exponent."""
    whole = int(micro)
    return whole if whole == micro else format(micro, "f").rstrip("0")


MicroDollars = Annotated[
    Decimal,
    Field(ge=0, le=10**15, allow_inf_nan=False),
    PlainSerializer(plain, return_type=int | str, when_used="json"),
]
"""An amount in micro-dollars as it stands in a file: with decimals where a call cost a fraction of one."""


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """An exact amount of money.

    Attributes:
        micro: the amount in micro-dollars, with decimals.
    """

    micro: Decimal = Decimal(0)

    @classmethod
    def from_micro(cls, micro: Decimal | int) -> "Money":
        """Return an amount given in micro-dollars."""
        return cls(Decimal(micro))

    @classmethod
    def from_usd(cls, usd: Decimal | float) -> "Money":
        """Return an amount given in USD; a float counts as the decimal number that it prints as."""
        micro = (usd if isinstance(usd, Decimal) else Decimal(str(usd))).scaleb(6, _CONTEXT)
        exponent = micro.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
            micro = micro.quantize(_MIN_MICRO, ROUND_CEILING, _CONTEXT)
        return cls(micro)

    @classmethod
    def total(cls, amounts: Iterable["Money"]) -> "Money":
        """Return the sum of the amounts."""
        return cls(sum((amount.micro for amount in amounts), Decimal(0)))

    @property
    def usd(self) -> float:
        """Return the amount in USD, for JSON."""
        return float(self.exact_usd)

    @property
    def exact_usd(self) -> Decimal:
        """Return the amount in USD, with all decimals."""
        return self.micro * _MICRO_DOLLAR

    @property
    def rounded_down(self) -> int:
        """Return the amount in whole micro-dollars, rounded down: for a limit."""
        return math.floor(self.micro)

    @property
    def rounded_up(self) -> int:
        """Return the amount in whole micro-dollars, rounded up: for the maximum that something may cost."""
        return math.ceil(self.micro)

    def __add__(self, other: "Money") -> "Money":
        """Return the sum of two amounts."""
        return Money(self.micro + other.micro)

    def __bool__(self) -> bool:
        """Return whether the amount differs from 0."""
        return bool(self.micro)

    def __str__(self) -> str:
        """Return the amount for people: `$1.92`; below a dollar with two significant digits: `$0.0031`."""
        return dollars(self.usd)


def whole_micro(amount: Money | None) -> int | None:
    """Return whole micro-dollars, for the fields of messages that older versions read; None for None."""
    return None if amount is None else amount.rounded_down


def add_usd(*amounts: float) -> float:
    """Return the sum of amounts in USD as they stand in JSON, without the rounding errors of floats."""
    total = sum((Decimal(str(amount)) for amount in amounts), Decimal(0))
    return float(total.quantize(_MIN_USD, ROUND_HALF_EVEN, _CONTEXT))


def dollars(usd: float) -> str:
    """Return an amount in USD for people: `$1.92`; below a dollar with two significant digits: `$0.0031`."""
    if not 0 < usd < 1:
        return f"${usd:,.2f}"
    places = 1 - math.floor(math.log10(usd))
    max_places = _MAX_PLACES if usd >= _MICRO_DOLLAR else _MAX_PLACES_BELOW_MICRO
    return f"${usd:.{min(max_places, max(2, places))}f}"
