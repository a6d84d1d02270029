"""Adding dollars without losing any: decimal inside, to the micro-dollar, a plain number in JSON."""

from decimal import ROUND_HALF_EVEN, Decimal

_MICRO_DOLLAR = Decimal("0.000001")


def add_usd(*amounts: float) -> float:
    """The sum of amounts in USD, rounded to the micro-dollar.

    Going through the decimal text of each float keeps 0.1 + 0.2 at 0.3, however many are added.
    """
    total = sum((Decimal(str(amount)) for amount in amounts), Decimal(0))
    return float(total.quantize(_MICRO_DOLLAR, rounding=ROUND_HALF_EVEN))
