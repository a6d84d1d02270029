-- Put those pages of a scan that wait nowhere, and that no worker has, at the front of Celery's queue.
--
-- KEYS  waiting: sorted set of the scan's pages that wait for their turn, scored by it
--       dispatched: set of the scan's pages in Celery's queue that have not begun
--       those of `queue`, see dispatch.lua
-- ARGV  scan: its id
--       claim_start: what the keys of the claims start with; the page follows
--       those of `queue`
--       pages: their numbers; the last one comes out first
-- Result: the pages that went in.
-- include: checkpointing.lists
-- include: worker.queue.dispatch
local waiting = KEYS[1]
local dispatched = KEYS[2]
local scan = ARGV[1]
local claim_start = ARGV[2]
local queue = {
  messages = KEYS[3],
  turns = KEYS[4],
  window = KEYS[5],
  waiting_keys = ARGV[3],
  dispatched_keys = ARGV[4],
  run_keys = ARGV[5],
  template = ARGV[6],
  nonce = ARGV[7],
}
local pages = list_from(ARGV, 8)

ensure_queue_types(queue)
ensure_type(waiting, 'zset')
ensure_type(dispatched, 'set')
local added = {}
for number, page in ipairs(pages) do
  if redis.call('SISMEMBER', dispatched, page) == 0 and not is_held(claim_start .. page)
    and not redis.call('ZSCORE', waiting, page) then
    redis.call('RPUSH', queue.messages, make_message(queue, scan, page, number))
    added[#added + 1] = tonumber(page)
  end
end
return added
