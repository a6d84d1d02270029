"""How the provider behaves: how slow, how dear, and which of its calls go wrong in what way.

Which call misbehaves follows from the seed, the request and how many times that same request came, and from nothing
else: a run can be replayed, whatever the order in which threads come to ask.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

_DIGEST_RANGE = 2**64


class Trouble(StrEnum):
    """What may go wrong with a call."""

    RATE_LIMITED = "rate-limited"
    """429 with `Retry-After`; not billed."""
    SERVER_ERROR = "server-error"
    """500; not billed."""
    SLOW = "slow"
    """The right answer, late."""
    DROPPED = "dropped"
    """Billed, and the connection is cut before a byte of the answer."""
    TRUNCATED = "truncated"
    """Cut in the middle of the JSON, with the finish reason `length`."""
    WRONG_SCHEMA = "wrong-schema"
    """JSON, of another shape."""
    REFUSAL = "refusal"
    """The model will not; its content is null."""
    LOOP = "loop"
    """The last words of a text again and again, a few hundred times."""
    PROSE = "prose"
    """The right JSON, fenced, between sentences."""
    NO_USAGE = "no-usage"
    """The right answer, billed, that does not tell its tokens."""
    WRONG_TYPE = "wrong-type"
    """The right answer, said to be `text/html`."""
    GATEWAY_TIMEOUT = "gateway-timeout"
    """Billed, and a gateway answers 504 in place of the answer."""
    WEB_PAGE = "web-page"
    """A page for people with status 200, from something in front of the API; not billed."""
    EMPTY_ERROR = "empty-error"
    """Billed, told in `usage`, and with an error in place of the answer; status 200."""


_OF_GATEWAYS = frozenset({Trouble.GATEWAY_TIMEOUT, Trouble.WEB_PAGE, Trouble.EMPTY_ERROR})
USUAL_KINDS = tuple(kind for kind in Trouble if kind not in _OF_GATEWAYS)
"""What misbehaving calls choose from unless others are named; what a gateway does is asked for by name."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a provider behaves.

    Attributes:
        port: of 127.0.0.1; 0 for a free one.
        latency_seconds: that every answer of the model takes. Refusals of the server come at once.
        slow_seconds: that a slow answer takes beyond that.
        trouble: share of the calls that misbehave, from 0 to 1.
        seed: another one makes other calls misbehave.
        kinds: what misbehaving calls choose from.
        price_in: USD for a million tokens of a question, cached or not.
        price_out: USD for a million tokens of an answer, reasoning included.
        report_cost: whether `usage.cost` tells the bill, as OpenRouter does.
        refuse_schema: whether `response_format: json_schema` is answered by 400, as by servers that do not know it.

    Raises:
        ValueError: a number is out of its range, or there is no kind to choose from.
    """

    port: int = 0
    latency_seconds: float = 0.0
    slow_seconds: float = 2.0
    trouble: float = 0.0
    seed: int = 0
    kinds: tuple[Trouble, ...] = USUAL_KINDS
    price_in: Decimal = Decimal("0.15")
    price_out: Decimal = Decimal("0.60")
    report_cost: bool = False
    refuse_schema: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.trouble <= 1:
            raise ValueError(f"the share of calls that misbehave is from 0 to 1, not {self.trouble:g}")
        if min(self.latency_seconds, self.slow_seconds) < 0 or min(self.price_in, self.price_out) < 0:
            raise ValueError("neither seconds nor prices can be below 0")
        if not self.kinds:
            raise ValueError("there is no kind of trouble to choose from")

    def trouble_of(self, request_sha256: str, occurrence: int) -> Trouble | None:
        """What goes wrong with a request that comes for the n-th time, counted from 1; None if nothing does."""
        if self._draw("whether", request_sha256, occurrence) >= self.trouble * _DIGEST_RANGE:
            return None
        return self.kinds[self._draw("what", request_sha256, occurrence) % len(self.kinds)]

    def retry_after_seconds(self, request_sha256: str, occurrence: int) -> int:
        """How long a request that is rate-limited is told to wait: 0 or 1."""
        return self._draw("retry", request_sha256, occurrence) % 2

    def _draw(self, what: str, request_sha256: str, occurrence: int) -> int:
        digest = hashlib.sha256(f"{what} {self.seed} {request_sha256} {occurrence}".encode()).digest()
        return int.from_bytes(digest[:8])
