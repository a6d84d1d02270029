-- Enqueue the pages of a scan that wait nowhere and that no worker has; fill the window.
--
-- KEYS  waiting: sorted set of the scan's pages that wait for their turn, scored by it
--       dispatched: set of the scan's pages in Celery's queue that have not begun
--       those of `queue`, see dispatch.lua
-- ARGV  scan: its id
--       claim_start: what the keys of the claims start with; the page follows
--       added_turn: added to the page number for the turn
--       those of `queue`
--       pages: their numbers
-- Result: the pages that went in.
-- include: checkpointing.lists
-- include: worker.queue.dispatch
local waiting = KEYS[1]
local dispatched = KEYS[2]
local scan = ARGV[1]
local claim_start = ARGV[2]
local added_turn = ARGV[3]
local queue = {
  messages = KEYS[3],
  turns = KEYS[4],
  window = KEYS[5],
  waiting_keys = ARGV[4],
  dispatched_keys = ARGV[5],
  run_keys = ARGV[6],
  template = ARGV[7],
  nonce = ARGV[8],
}
local pages = list_from(ARGV, 9)

ensure_queue_types(queue)
ensure_type(waiting, 'zset')
ensure_type(dispatched, 'set')
local waited = redis.call('EXISTS', waiting) == 1
local added = {}
for _, page in ipairs(pages) do
  if redis.call('SISMEMBER', dispatched, page) == 0 and not is_held(claim_start .. page)
    and redis.call('ZADD', waiting, 'NX', page + added_turn, page) == 1 then
    added[#added + 1] = tonumber(page)
  end
end
if not waited and #added > 0 then redis.call('LPUSH', queue.turns, scan) end
fill_window(queue)
return added
