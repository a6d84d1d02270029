"""Whose turn it is: waiting pages go into Celery's queue a few at a time, one from each scan in turn.

Celery's queue is first in, first out. If it held whole books, a short one would wait for the end of the long one
before it; and nothing in it can be found, counted or taken out again. So it holds a *window* only: enough messages
that no worker ever waits. Whoever begins a page moves the next one into the window, in the same step in Redis.

The message is Celery's own, made once by Celery and kombu and kept as a template in which a script sets scan, page
and id: publishing one at a time through kombu costs a hundred times as much.
"""

import json
from typing import Any

from kombu import Connection

from checkpointing.identity import new_token
from checkpointing.keys import Keys

PAGE_TASK = "page.process"
# Where no worker has said how much it takes.
_DEFAULT_WINDOW = 16
_ALIVE_SECONDS = 15

# Each script that may feed starts with this. ARGV: as `Dispatch.arguments`.
FEED = f"""
local stage, queue, turns, window, prefix, template, nonce = unpack(ARGV, 1, 7)
local function message(scan, page, number)
  local values = {{SCAN = scan, PAGE = page, ID = nonce .. '-' .. number}}
  redis.call('SADD', prefix .. 'dispatched:' .. scan .. '/' .. stage, page)
  return (string.gsub(template, '@(%u+)@', values))
end

local function feed()
  local room = tonumber(redis.call('GET', window) or '{_DEFAULT_WINDOW}') - redis.call('LLEN', queue)
  local fed = 0
  while fed < room do
    local scan = redis.call('RPOP', turns)
    if not scan then break end
    local waiting = prefix .. 'waiting:' .. scan .. '/' .. stage
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
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now + ARGV[9], ARGV[8])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local slots = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  slots = slots + tonumber(string.match(member, '=(%d+)$') or '0')
end
redis.call('SET', window, 2 * slots + 8, 'EX', 4 * ARGV[9])
feed()
"""
)


class Dispatch:
    """Moves waiting pages of one stage into Celery's queue.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        stage: whose pages.
        template: the message, from `message_template`.
    """

    def __init__(self, redis: Any, keys: Keys, stage: str, template: str) -> None:
        self._slots = keys.slots(stage)
        self._fixed = [stage, keys.queue(stage), keys.turns(stage), keys.window(stage), keys.prefix, template]
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


def message_template(app: Any, stage: str) -> str:
    """A page task as it stands in Celery's queue, with `@SCAN@`, `@PAGE@` and `@ID@` where these go.

    Args:
        app: the Celery application; it and kombu make the message, by kombu's transport in memory.
        stage: names the queue as well.
    """
    arguments = {"scan_id": "@SCAN@", "stage": stage, "page": "@PAGE@"}
    with Connection("memory://") as connection, app.amqp.Producer(connection) as producer:
        app.send_task(PAGE_TASK, kwargs=arguments, queue=stage, producer=producer, task_id="@ID@")
        message = producer.channel._get(stage)  # noqa: SLF001  # the only way to a raw message
    properties = message["properties"]
    # As plain text the body can be filled in by a script; without this field kombu takes it as it is.
    body = producer.channel.decode_body(message["body"], properties.pop("body_encoding"))
    message["body"] = body if isinstance(body, str) else body.decode()
    properties["delivery_tag"] = "@ID@"
    # The page is a number: in the arguments, and in the words for whoever watches.
    return json.dumps(message).replace('\\"@PAGE@\\"', "@PAGE@").replace("'@PAGE@'", "@PAGE@")
