-- Record that a worker lives and how many pages it takes at once, set the window by the slots of all workers, and
-- fill it.
--
-- KEYS  slots: sorted set of `<worker>=<slots>`, scored by the second until which the worker counts as alive
-- ARGV  member: `<worker>=<slots>` of this worker
--       seconds: how long it counts as alive
--       queue: see dispatch.lua
-- include: worker.queue.dispatch
local slots = KEYS[1]
local member = ARGV[1]
local seconds = tonumber(ARGV[2])
local queue = cjson.decode(ARGV[3])

-- A worker that claims to live for longer was forged.
local MAX_ALIVE_SECONDS = 3600

ensure_queue_types(queue)
ensure_type(slots, 'zset')
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', slots, now + seconds, member)
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
redis.call('ZREMRANGEBYSCORE', slots, now + MAX_ALIVE_SECONDS, '+inf')
local sum = 0
for _, found in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
  sum = sum + tonumber(string.match(found, '=(%d+)$') or '0')
end
redis.call('SET', queue.window, 2 * sum + 8, 'EX', 4 * seconds)
fill_window(queue)
