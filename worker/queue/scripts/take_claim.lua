-- Claim a page for a worker, count the attempt, note that the page has left the queue, and move the next page into
-- Celery's queue.
--
-- KEYS  claim: token of the worker that has the page
--       attempts: hash of page -> attempts begun
--       waiting: sorted set of the scan's pages that wait for their turn
--       dispatched: set of the scan's pages in Celery's queue that have not begun
-- ARGV  token: of this worker
--       lease_ms: length of the claim
--       page: its number
--       queue: see dispatch.lua
-- Result: the number of the attempt, from 1; 0 if another worker has the page.
-- include: worker.queue.attempts
-- include: worker.queue.dispatch
local claim = KEYS[1]
local attempts = KEYS[2]
local waiting = KEYS[3]
local dispatched = KEYS[4]
local token = ARGV[1]
local lease_ms = ARGV[2]
local page = ARGV[3]
local queue = cjson.decode(ARGV[4])

-- Everything that can fail comes before the first effect: an attempt that a failing script counted would stay
-- counted.
ensure_queue_types(queue)
ensure_type(waiting, 'zset')
ensure_type(dispatched, 'set')
local begun = count_attempts(attempts, page)
redis.call('ZREM', waiting, page)
redis.call('SREM', dispatched, page)
local attempt = 0
if not is_held(claim) then
  redis.call('SET', claim, token, 'PX', lease_ms)
  attempt = begun + 1
  redis.call('HSET', attempts, page, attempt)
end
fill_window(queue)
return attempt
