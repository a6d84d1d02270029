"""Pauses between calls: `Backoff` after a failed call, `Cooldown` where a provider asks for a pause.

Exponential backoff with full jitter, as in "Exponential Backoff And Jitter" (Marc Brooker, AWS Architecture Blog,
2015): the pause is drawn evenly between 0 and a bound that doubles with each failure, so that many workers whose
calls failed together do not return together. A `Retry-After` of the provider takes precedence.
"""

import time
from dataclasses import dataclass, field
from random import Random, SystemRandom

# Stop doubling here: any longer pause is above every cap, and the float would overflow.
_MAX_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a failed call is repeated, and after which pause.

    Attributes:
        max_retries: maximum number of repetitions; 0 for none.
        base_seconds: maximum pause after the first failure.
        max_seconds: maximum pause after any failure.
        random: draws the pauses.
    """

    max_retries: int
    base_seconds: float = 1.0
    max_seconds: float = 60.0
    random: Random = field(default_factory=SystemRandom)

    def pause_before(self, failures: int, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait before the call is repeated; None where it is not, and the page waits instead.

        Args:
            failures: how often the call has failed, from 1.
            retry_after: seconds that the provider asks for. Beyond `max_seconds`, waiting would only keep the
                worker from other pages.
        """
        if failures > self.max_retries:
            return None
        bound = min(self.max_seconds, self.base_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
        if retry_after is None:
            return self.random.uniform(0, bound)
        if retry_after > self.max_seconds:
            return None
        # Jitter: otherwise all workers that got the same `Retry-After` would return in the same second.
        return min(self.max_seconds, retry_after + self.random.uniform(0, self.base_seconds))


class Cooldown:
    """A pause that a provider asked this process for, longer than a page waits for its turn."""

    def __init__(self) -> None:
        self._until = 0.0

    def extend(self, seconds: float | None) -> None:
        """Make no call for this many seconds from now; None changes nothing."""
        if seconds is not None:
            self._until = max(self._until, time.monotonic() + seconds)

    def left_seconds(self) -> float:
        """Return the seconds that are left; 0 or less when the pause is over."""
        return self._until - time.monotonic()
