"""A circuit breaker for one model of one provider, shared by all workers of a deployment, in one hash in Redis.

When it opens and closes is in `docs/reference/models.md`. With it, the number of calls that may be billed without
an answer does not grow with the number of workers. After a flush the next few failures open the breaker again.
"""

from dataclasses import dataclass
from typing import NamedTuple

from redis import Redis

from checkpointing.lua import Script

CALLS_IN_A_ROW = 5
"""Failed calls in a row, without an answer between them, that open the breaker."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""Maximum pause where a trial may be billed."""
LONGEST_FREE_PAUSE_SECONDS = 30.0
"""Maximum pause where a trial costs nothing, as when the server cannot be reached."""
_FORGET_SECONDS = 86_400

_READ_PAUSE: Script[int] = Script("worker.llm.read_pause")
_ENTER: Script[int] = Script("worker.llm.enter_breaker")
_LEAVE: Script[None] = Script("worker.llm.leave_breaker")
_RECORD_FAILURE: Script[list[int]] = Script("worker.llm.record_failure")
_READ: Script[tuple[int, int, int, int, bytes] | None] = Script("worker.llm.read_breaker")


class Failures(NamedTuple):
    """The failures of a model after a failed call.

    Attributes:
        in_a_row: failed calls since the last answer, over all workers.
        opens: how often the breaker has opened since.
        all_foreign: whether all of the responses hardly came from the API.
    """

    in_a_row: int
    opens: int
    all_foreign: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """Failed calls since the last answer.

    Attributes:
        count: number of failed calls.
        since: time of the first failure, in seconds since the epoch, by the broker's clock.
        last: time of the last failure.
        seconds: age of the first failure.
        said: reason of the last failure.
    """

    count: int
    since: float
    last: float
    seconds: float
    said: str


class Breaker:
    """The breaker of one model.

    Args:
        trial_seconds: how long a trial blocks other calls; after that its worker may be dead, and another is made.

    Raises:
        RedisError: from every method: the broker failed, and no call must be made. A trial is forgotten after its
            time.
    """

    def __init__(
        self, redis: Redis, key: str, trial_seconds: float, first_pause_seconds: float = FIRST_PAUSE_SECONDS
    ) -> None:
        self._redis = redis
        self._key = key
        self._trial_milliseconds = int(trial_seconds * 1000)
        self._first_pause_seconds = first_pause_seconds

    def left_seconds(self) -> float:
        """Return how long no call may be made; 0 where one may. Changes nothing."""
        return _READ_PAUSE(self._redis, key=self._key) / 1000

    def enter(self, token: str) -> bool:
        """Ask whether a call may be made, just before it is.

        Args:
            token: unique name of the call.

        Returns:
            Whether it may be made. Then `failed`, `answered` or `leave` must be called.
        """
        return bool(_ENTER(self._redis, key=self._key, token=token, trial_ms=self._trial_milliseconds))

    def leave(self, token: str) -> None:
        """Record that a call that was let through was not made, or that its end is not known."""
        _LEAVE(self._redis, key=self._key, token=token)

    def failed(
        self,
        token: str,
        said: str,
        *,
        is_foreign: bool = False,
        is_outage: bool = True,
        may_have_been_billed: bool = True,
        retry_after_seconds: float | None = None,
    ) -> Failures:
        """Record a failed call.

        Args:
            token: unique name of the call.
            said: the reason, for people.
            is_foreign: whether the response hardly came from the API.
            is_outage: whether the failure counts for opening the breaker; a rate limit has its own pauses.
            may_have_been_billed: whether the next trial may cost something.
            retry_after_seconds: the pause that the provider asks for.
        """
        longest = LONGEST_PAUSE_SECONDS if may_have_been_billed else LONGEST_FREE_PAUSE_SECONDS
        seconds = (self._first_pause_seconds, longest, min(retry_after_seconds or 0.0, _FORGET_SECONDS))
        first, most, least = (int(each * 1000) for each in seconds)
        in_a_row, opens, foreign = _RECORD_FAILURE(
            self._redis,
            key=self._key,
            token=token,
            said=said,
            foreign=int(is_foreign),
            outage=int(is_outage),
            calls_in_a_row=CALLS_IN_A_ROW,
            first_pause_ms=first,
            longest_pause_ms=most,
            least_pause_ms=least,
            keep_ms=_FORGET_SECONDS * 1000,
        )
        return Failures(in_a_row, opens, bool(foreign))

    def answered(self) -> None:
        """Record an answer: it closes the breaker."""
        self._redis.delete(self._key)

    def silence(self) -> Silence | None:
        """Return the failed calls since the last answer; None where there are none."""
        found = _READ(self._redis, key=self._key)
        if found is None:
            return None
        count, since, last, now, said = found
        return Silence(count, since / 1000, last / 1000, (now - since) / 1000, said.decode(errors="replace"))
