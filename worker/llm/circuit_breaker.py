"""A circuit breaker for one model of one provider, shared by all workers of a deployment.

After a handful of calls in a row that came to nothing, whichever workers made them, the model is left alone for a
while. Then one call is let through as a trial: an answer ends the matter at once for all workers, a failure doubles
the pause. So the number of calls that may be billed for nothing does not grow with the number of workers.

All of it is one hash in Redis. A flush forgets it: the next handful of failures opens the breaker again. A key of
another type in its place is deleted.
"""

from dataclasses import dataclass
from typing import NamedTuple

from redis import Redis

from checkpointing.lua import Script

CALLS_IN_A_ROW = 5
"""How many calls must come to nothing, without an answer between them, before the model is left alone."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause where each trial may be billed."""
LONGEST_FREE_PAUSE_SECONDS = 30.0
"""The longest pause where a trial costs nothing, as when the server is not there."""
_FORGET_SECONDS = 86_400

_READ_PAUSE: Script[int] = Script("worker.llm.read_pause")
_ENTER: Script[int] = Script("worker.llm.enter_breaker")
_LEAVE: Script[None] = Script("worker.llm.leave_breaker")
_RECORD_FAILURE: Script[list[int]] = Script("worker.llm.record_failure")
_READ: Script[tuple[int, int, int, int, bytes] | None] = Script("worker.llm.read_breaker")


class Failures(NamedTuple):
    """How a model stands after a call that came to nothing.

    Attributes:
        in_a_row: calls that came to nothing since the last answer, over all workers.
        opens: how often the breaker was opened since.
        all_foreign: whether all of these were answered by something that is hardly the API.
    """

    in_a_row: int
    opens: int
    all_foreign: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """Calls that came to nothing, with no answer since.

    Attributes:
        count: how many there were.
        since: when the first of them came to nothing, in seconds since the epoch, by the broker's clock.
        last: when the last did.
        seconds: how long ago the first was.
        said: why the last came to nothing.
    """

    count: int
    since: float
    last: float
    seconds: float
    said: str


class Breaker:
    """The breaker of one model.

    Args:
        redis: client of the broker.
        key: of the breaker.
        trial_seconds: how long a trial keeps others away; after that, its worker may be dead, another one is made.
        first_pause_seconds: the first pause.
        calls_in_a_row: how many failures open it.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        trial_seconds: float,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        calls_in_a_row: int = CALLS_IN_A_ROW,
    ) -> None:
        self._redis = redis
        self._key = key
        self._trial_milliseconds = int(trial_seconds * 1000)
        self._first_pause_seconds = first_pause_seconds
        self._calls_in_a_row = calls_in_a_row

    def left_seconds(self) -> float:
        """How long the model is still left alone; 0 where a call may be tried. Takes nothing.

        Raises:
            RedisError: the broker failed; no call must be made.
        """
        return _READ_PAUSE(self._redis, key=self._key) / 1000

    def enter(self, token: str) -> bool:
        """Ask for a call to be let through, just before it is made.

        Args:
            token: names the call.

        Returns:
            Whether it may be made. Afterwards one of `failed`, `answered` and `leave` is due.

        Raises:
            RedisError: the broker failed; the call must not be made.
        """
        return bool(_ENTER(self._redis, key=self._key, token=token, trial_ms=self._trial_milliseconds))

    def leave(self, token: str) -> None:
        """Tell that a call that was let through was not made, or that nothing is known of its end.

        Raises:
            RedisError: the broker failed; a trial is forgotten after its time.
        """
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
        """Tell that a call came to nothing.

        Args:
            token: names the call.
            said: why, for people.
            is_foreign: whether what answered is hardly the API.
            is_outage: whether this speaks for leaving the model alone; a rate limit has pauses of its own.
            may_have_been_billed: whether the next trial may cost something.
            retry_after_seconds: how long the provider asks to be left alone.

        Raises:
            RedisError: the broker failed.
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
            calls_in_a_row=self._calls_in_a_row,
            first_pause_ms=first,
            longest_pause_ms=most,
            least_pause_ms=least,
            keep_ms=_FORGET_SECONDS * 1000,
        )
        return Failures(in_a_row, opens, bool(foreign))

    def answered(self) -> None:
        """Tell that the provider answered: whatever was wrong is over.

        Raises:
            RedisError: the broker failed.
        """
        self._redis.delete(self._key)

    def silence(self) -> Silence | None:
        """The calls that came to nothing since the last answer; None where there are none.

        Raises:
            RedisError: the broker failed.
        """
        found = _READ(self._redis, key=self._key)
        if found is None:
            return None
        count, since, last, now, said = found
        return Silence(count, since / 1000, last / 1000, (now - since) / 1000, said.decode(errors="replace"))
