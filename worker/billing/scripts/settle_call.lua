-- Replace the reservation of a call by what the call cost. A meter that is being filled notes the cost for the fill.
--
-- KEYS  key: the meter, see meter.lua
-- ARGV  attempt: id of the call
--       whole: its cost, in whole micro-dollars
--       millionths: of a micro-dollar, beyond that
-- include: worker.billing.meter
local key = KEYS[1]
local attempt = ARGV[1]
local whole = ARGV[2]
local millionths = ARGV[3]

local meter = open_meter(key)
if meter.err then return meter end
if meter.spent then
  if redis.call('HDEL', key, 'r:' .. attempt) == 1 then spend(meter, whole, millionths) end
elseif redis.call('HEXISTS', key, 'filling') == 1 then
  redis.call('HSET', key, 's:' .. attempt, whole, 'f:' .. attempt, millionths)
end
