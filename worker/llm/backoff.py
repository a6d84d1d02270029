"""When a call that failed is made again: a policy, which neither waits nor calls.

Exponential backoff with full jitter, as in "Exponential Backoff And Jitter" (Marc Brooker, AWS Architecture Blog,
2015): the pause is drawn evenly between nothing and a bound that doubles with every try, so that many workers which
failed at once do not come back at once. A provider that says how long to wait is believed.
"""

import random as random_numbers
import time
from dataclasses import dataclass, field
from random import Random

# Doubling goes no further: any longer pause is above every cap, and a float has an end.
_MOST_DOUBLINGS = 60


def _system_random() -> Random:
    return random_numbers.SystemRandom()


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and when a call is made again.

    Attributes:
        tries: how often it is made again at the most; 0: never.
        base_seconds: the longest pause after the first failure.
        most_seconds: the longest pause of all.
        random: draws the pauses.
    """

    tries: int
    base_seconds: float = 1.0
    most_seconds: float = 60.0
    random: Random = field(default_factory=_system_random)

    def pause_before(self, failures: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait before a call is made again; None when it is not to be, and the page waits instead.

        Args:
            failures: how often the call has failed, from 1.
            retry_after: seconds that the provider asks us to wait. Where it asks for more than `most_seconds`,
                waiting would only keep a worker from other pages.
        """
        if failures > self.tries:
            return None
        bound = min(self.most_seconds, self.base_seconds * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
        if retry_after is None:
            return self.random.uniform(0, bound)
        if retry_after > self.most_seconds:
            return None
        # All who were told the same second would come back in it.
        return min(self.most_seconds, retry_after + self.random.uniform(0, self.base_seconds))


class Rest:
    """How long a provider wants to be left alone by this process: longer than a page waits for its turn."""

    def __init__(self) -> None:
        self._until = 0.0

    def take(self, seconds: float | None) -> None:
        """Leave it alone for so long; None says nothing new."""
        if seconds is not None:
            self._until = max(self._until, time.monotonic() + seconds)

    def left_seconds(self) -> float:
        """How much of that is left; 0 or less when it is over."""
        return self._until - time.monotonic()
