-- Reserve what a call may cost, if the budget has room for it.
--
-- KEYS  key: the meter, see meter.lua
-- ARGV  attempt: id of the call
--       most: what it may cost at most, in micro-dollars
--       budget: in micro-dollars; empty for none
-- Result: `granted`, `wait` (no room beside the other reservations), `reached` (no room in the budget) or `empty`.
--         A refusal leaves a reservation as it is: this may be a repeated command that was granted long ago.
-- include: worker.billing.meter
local key = KEYS[1]
local attempt = ARGV[1]
local most = ARGV[2]
local budget = tonumber(ARGV[3])

local meter = open_meter(key)
if meter.err then return meter end
if not meter.spent then return 'empty' end
local field = 'r:' .. attempt
if budget then
  local begun = meter.fraction > 0 and 1 or 0
  local needed = tonumber(meter.spent) + begun + tonumber(most)
  if needed > budget then return 'reached' end
  if needed + sum_reserved(meter, field) > budget then return 'wait' end
end
redis.call('HSET', key, field, most)
return 'granted'
