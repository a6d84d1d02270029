"""A circuit breaker for one model of one provider, shared by all workers of a deployment.

After a handful of calls in a row that came to nothing, whichever workers made them, the model is left alone for a
while. Then one call is let through as a trial: an answer ends the matter at once for all workers, a failure doubles
the pause. So the number of calls that may be billed for nothing does not grow with the number of workers.

All of it is one hash in Redis. A flush forgets it: the next handful of failures opens the breaker again. A key of
another type in its place is deleted.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

CALLS_IN_A_ROW = 5
"""How many calls must come to nothing, without an answer between them, before the model is left alone."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause where each trial may be billed."""
LONGEST_FREE_PAUSE_SECONDS = 30.0
"""The longest pause where a trial costs nothing, as when the server is not there."""
_FORGET_SECONDS = 86_400

# KEYS: breaker. Its fields, times in milliseconds: `failures` in a row, `since` the first and `last`, and what was
# `said` at the last; `outages`, those of them that were no rate limits; `foreign`, 1 while all were answers of
# something that is not the API; `opens`, how often it was opened; `until`, the end of the pause, while it is open;
# `trial`, the token of the call that tries, and `trial_until`.
_BREAKER = """
local key = KEYS[1]
local kind = redis.call('TYPE', key)
if type(kind) == 'table' then kind = kind.ok end
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function number(name) return tonumber(redis.call('HGET', key, name) or '') or 0 end
local function set(name, value) redis.call('HSET', key, name, string.format('%d', value)) end
"""
# Returns how many milliseconds are left to wait; 0 where a call may be tried.
_LEFT = (
    _BREAKER
    + """
if number('until') > now then return number('until') - now end
return math.max(0, number('trial_until') - now)
"""
)
# ARGV: token, milliseconds that a trial may take. Returns 1 where the call may be made.
_ENTER = (
    _BREAKER
    + """
if number('until') == 0 then return 1 end
if number('until') > now or number('trial_until') > now then return 0 end
redis.call('HSET', key, 'trial', ARGV[1])
set('trial_until', now + tonumber(ARGV[2]))
return 1
"""
)
# ARGV: token.
_LEAVE = (
    _BREAKER
    + """
if redis.call('HGET', key, 'trial') == ARGV[1] then redis.call('HDEL', key, 'trial', 'trial_until') end
"""
)
# ARGV: token, what was said, 1 where it was foreign, 1 where it counts as an outage; calls in a row, first and
# longest pause, least pause, milliseconds to keep all this. Returns failures, opens, 1 where all were foreign.
_FAILED = (
    _BREAKER
    + """
local failures = number('failures') + 1
if failures == 1 then set('since', now) end
set('failures', failures)
set('last', now)
redis.call('HSET', key, 'said', ARGV[2])
local foreign = tonumber(ARGV[3])
if failures > 1 then foreign = math.min(foreign, number('foreign')) end
set('foreign', foreign)
local opens = number('opens')
local outages = number('outages') + tonumber(ARGV[4])
set('outages', outages)
local is_open = number('until') > 0
-- Of those under way when it was opened, none but the trial says anything new.
local is_trial = is_open and redis.call('HGET', key, 'trial') == ARGV[1]
if is_trial or (not is_open and outages >= tonumber(ARGV[5])) then
  opens = opens + 1
  set('opens', opens)
  local pause = math.min(tonumber(ARGV[7]), tonumber(ARGV[6]) * 2 ^ math.min(opens - 1, 30))
  set('until', now + math.max(pause, tonumber(ARGV[8])))
  redis.call('HDEL', key, 'trial', 'trial_until')
end
redis.call('PEXPIRE', key, ARGV[9])
return {failures, opens, foreign}
"""
)
_ANSWERED = "redis.call('DEL', KEYS[1])"
_READ = (
    _BREAKER
    + """
if number('failures') == 0 then return false end
return {number('failures'), number('since'), number('last'), now, redis.call('HGET', key, 'said') or ''}
"""
)


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
        self._keys = [key]
        self._trial_milliseconds = int(trial_seconds * 1000)
        self._first_pause_seconds = first_pause_seconds
        self._calls_in_a_row = calls_in_a_row
        self._left: Any = redis.register_script(_LEFT)
        self._enter: Any = redis.register_script(_ENTER)
        self._leave: Any = redis.register_script(_LEAVE)
        self._failed: Any = redis.register_script(_FAILED)
        self._answered: Any = redis.register_script(_ANSWERED)
        self._read: Any = redis.register_script(_READ)

    def left_seconds(self) -> float:
        """How long the model is still left alone; 0 where a call may be tried. Takes nothing.

        Raises:
            RedisError: the broker failed; no call must be made.
        """
        return int(self._left(keys=self._keys)) / 1000

    def enter(self, token: str) -> bool:
        """Ask for a call to be let through, just before it is made.

        Args:
            token: names the call.

        Returns:
            Whether it may be made. Afterwards one of `failed`, `answered` and `leave` is due.

        Raises:
            RedisError: the broker failed; the call must not be made.
        """
        return bool(self._enter(keys=self._keys, args=[token, self._trial_milliseconds]))

    def leave(self, token: str) -> None:
        """Tell that a call that was let through was not made, or that nothing is known of its end.

        Raises:
            RedisError: the broker failed; a trial is forgotten after its time.
        """
        self._leave(keys=self._keys, args=[token])

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
        flags = [int(is_foreign), int(is_outage), self._calls_in_a_row]
        args = [token, said, *flags, first, most, least, _FORGET_SECONDS * 1000]
        in_a_row, opens, foreign = self._failed(keys=self._keys, args=args)
        return Failures(in_a_row, opens, bool(foreign))

    def answered(self) -> None:
        """Tell that the provider answered: whatever was wrong is over.

        Raises:
            RedisError: the broker failed.
        """
        self._answered(keys=self._keys)

    def silence(self) -> Silence | None:
        """The calls that came to nothing since the last answer; None where there are none.

        Raises:
            RedisError: the broker failed.
        """
        found = self._read(keys=self._keys)
        if found is None:
            return None
        count, since, last, now, said = found
        return Silence(count, since / 1000, last / 1000, (now - since) / 1000, said.decode(errors="replace"))
