-- Enqueue the pages of a scan that wait nowhere and that no worker has.
--
-- KEYS  waiting: sorted set of the scan's pages that wait for their turn, scored by it
--       dispatched: set of the scan's pages in Celery's queue that have not begun
-- ARGV  scan: its id
--       claim_start: what the keys of the claims start with; the page follows
--       place: `front` for the front of Celery's queue, where the last page comes first; otherwise what to add to
--         the page number for the turn
--       queue: see dispatch.lua
--       pages: their numbers
-- Result: the pages that went in.
-- include: checkpointing.lists
-- include: worker.queue.dispatch
local waiting = KEYS[1]
local dispatched = KEYS[2]
local scan = ARGV[1]
local claim_start = ARGV[2]
local place = ARGV[3]
local queue = cjson.decode(ARGV[4])
local pages = list_from(ARGV, 5)

ensure_queue_types(queue)
ensure_type(waiting, 'zset')
ensure_type(dispatched, 'set')
local waited = redis.call('EXISTS', waiting) == 1

local function is_free(page)
  return redis.call('SISMEMBER', dispatched, page) == 0 and not is_held(claim_start .. page)
    and not redis.call('ZSCORE', waiting, page)
end

local added = {}
for number, page in ipairs(pages) do
  if is_free(page) then
    added[#added + 1] = tonumber(page)
    if place == 'front' then
      redis.call('RPUSH', queue.messages, make_message(queue, scan, page, number))
    else
      redis.call('ZADD', waiting, page + place, page)
    end
  end
end
if place ~= 'front' then
  if not waited and #added > 0 then redis.call('LPUSH', queue.turns, scan) end
  fill_window(queue)
end
return added
