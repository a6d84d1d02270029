"""Whose turn it is: waiting pages go into Celery's queue a few at a time, one from each scan in turn.

Celery's queue is first in, first out. If it held whole books, a short one would wait for the end of the long one
before it; and nothing in it can be found, counted or taken out again. So it holds a *window* only: enough messages
that no worker ever waits. Whoever begins a page moves the next one into the window, in the same step in Redis.

A message is a template in which the script sets scan, page and id; the gate, through which workers take it, makes a
message of Celery's of it (`worker.queue.message_filter`). Publishing through kombu would cost a hundred times
as much.
"""

import json
from typing import Any

from checkpointing.identity import new_token
from checkpointing.key_types import TYPED
from checkpointing.keys import Keys

PAGE_TASK = "page.process"
# Where no worker has said how much it takes.
_DEFAULT_WINDOW = 16
_ALIVE_SECONDS = 15
# More are a forgery: a thousand machines of a hundred slots each need less.
_MOST_WINDOW = 1_000_000

# Each script that may feed starts with this. ARGV: as `Dispatch.arguments`.
FEED = f"""{TYPED}
local stage, queue, turns, window, prefix, template, nonce = unpack(ARGV, 1, 7)
typed(queue, 'list')
typed(turns, 'list')
typed(window, 'string')
local function run_of(scan)
  local run = redis.pcall('GET', prefix .. 'run:' .. scan .. '/' .. stage)
  local trace, span = string.match(type(run) == 'string' and run or '', '^00%-([0-9a-f]+)%-([0-9a-f]+)%-0[0-3]$')
  -- One that the gate refuses would keep the page from being done.
  local valid = trace and #trace == 32 and #span == 16 and string.find(trace, '[^0]') and string.find(span, '[^0]')
  return valid and '"' .. run .. '"' or 'null'
end

local function message(scan, page, number)
  local values = {{SCAN = scan, PAGE = page, ID = nonce .. '-' .. number, RUN = run_of(scan)}}
  local dispatched = prefix .. 'dispatched:' .. scan .. '/' .. stage
  typed(dispatched, 'set')
  redis.call('SADD', dispatched, page)
  return (string.gsub(template, '@(%u+)@', values))
end

local function feed()
  local size = tonumber(redis.call('GET', window) or '')
  if not size or not (size >= 0 and size <= {_MOST_WINDOW}) then size = {_DEFAULT_WINDOW} end
  local room = size - redis.call('LLEN', queue)
  local fed = 0
  while fed < room do
    local scan = redis.call('RPOP', turns)
    if not scan then break end
    local waiting = prefix .. 'waiting:' .. scan .. '/' .. stage
    typed(waiting, 'zset')
    local page = redis.call('ZPOPMIN', waiting)[1]
    if page then
      fed = fed + 1
      redis.call('LPUSH', queue, message(scan, page, fed))
      if redis.call('EXISTS', waiting) == 1 then redis.call('LPUSH', turns, scan) end
    end
  end
end
"""

# KEYS: slots. ARGV, after those of FEED: this worker's member, seconds that it counts as alive.
_BEAT = (
    FEED
    + """
local workers, member, seconds = KEYS[1], ARGV[8], ARGV[9]
local now = tonumber(redis.call('TIME')[1])
typed(workers, 'zset')
redis.call('ZADD', workers, now + seconds, member)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now)
-- No worker says that it lives for an hour from now.
redis.call('ZREMRANGEBYSCORE', workers, now + 3600, '+inf')
local slots = 0
for _, found in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  slots = slots + tonumber(string.match(found, '=(%d+)$') or '0')
end
redis.call('SET', window, 2 * slots + 8, 'EX', 4 * seconds)
feed()
"""
)


class Dispatch:
    """Moves waiting pages of one stage into Celery's queue.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        stage: whose pages.
    """

    def __init__(self, redis: Any, keys: Keys, stage: str) -> None:
        self._redis = redis
        self._slots = keys.slots(stage)
        queue, turns, window = keys.queue(stage), keys.turns(stage), keys.window(stage)
        self._fixed = [stage, queue, turns, window, keys.prefix, _template(stage)]
        self._beat = redis.register_script(_BEAT)
        self._feed = redis.register_script(f"{FEED} feed()")

    def arguments(self) -> list[str]:
        """The first arguments of every script that starts with `FEED`. New ones for each call: they make ids."""
        return [*self._fixed, new_token()]

    def feed(self) -> None:
        """Fill the window.

        Raises:
            RedisError: the broker failed.
        """
        self._feed(args=self.arguments())

    def beat(self, worker: str, slots: int) -> None:
        """Say that a worker lives and takes so many pages at once; fill the window.

        Raises:
            RedisError: the broker failed.
        """
        self._beat(keys=[self._slots], args=[*self.arguments(), f"{worker}={slots}", _ALIVE_SECONDS])

    def alive(self) -> dict[str, int]:
        """The workers that serve the stage and live, as they said within the last seconds, with their slots.

        Raises:
            RedisError: the broker failed.
        """
        seconds, _ = self._redis.time()
        members = self._redis.zrangebyscore(self._slots, seconds, "+inf")
        named = (member.decode(errors="replace").rpartition("=") for member in members)
        return {name: int(slots) for name, _, slots in named if slots.isdecimal()}


def _template(stage: str) -> str:
    """A message of a stage, with `@SCAN@`, `@PAGE@`, `@ID@`, `@RUN@` where these go: what the gate reads, no more.

    The run stands among the headers, because the gate of an older worker overlooks those that it does not know.
    """
    arguments = f'{{"scan_id": "@SCAN@", "stage": "{stage}", "page": @PAGE@}}'
    message = {
        "body": f"[[], {arguments}, {{}}]",
        "content-type": "application/json",
        "headers": {"id": "@ID@", "task": PAGE_TASK, "traceparent": "@RUN@"},
        "properties": {},
    }
    return json.dumps(message).replace('"@RUN@"', "@RUN@")
