-- Give a scan with waiting pages a turn if it has none: its pages would wait for ever.
--
-- KEYS  waiting: sorted set of the scan's pages that wait for their turn
--       turns: list of the scans with waiting pages
-- ARGV  scan: its id
-- include: checkpointing.key_types
local waiting = KEYS[1]
local turns = KEYS[2]
local scan = ARGV[1]

ensure_type(waiting, 'zset')
ensure_type(turns, 'list')
if redis.call('EXISTS', waiting) == 1 and not redis.call('LPOS', turns, scan) then
  redis.call('LPUSH', turns, scan)
end
