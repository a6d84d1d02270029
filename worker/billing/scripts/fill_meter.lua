-- Fill an empty meter with what the ledgers on disk add up to.
--
-- KEYS  key: the meter, see meter.lua
-- ARGV  token: of `begin_fill`, from before the disk was read
--       whole: what is spent, in whole micro-dollars
--       millionths: of a micro-dollar, beyond that
--       reservations: attempt, amount, attempt, amount, ...
-- Result: 1 if the meter was filled, 0 if the token is not valid any more.
-- include: checkpointing.lists
-- include: worker.billing.meter
local key = KEYS[1]
local token = ARGV[1]
local whole = ARGV[2]
local millionths = ARGV[3]
local reservations = list_from(ARGV, 4)

local meter = open_meter(key)
if meter.err then return meter end
if redis.call('HGET', key, 'filling') ~= token then return 0 end
redis.call('HDEL', key, 'filling')
redis.call('HSET', key, 'spent', whole)
spend(meter, '0', millionths)
for i = 1, #reservations, 2 do
  local attempt, amount = reservations[i], reservations[i + 1]
  local settled = redis.call('HGET', key, 's:' .. attempt)
  if settled then
    spend(meter, settled, redis.call('HGET', key, 'f:' .. attempt) or '0')
  else
    redis.call('HSET', key, 'r:' .. attempt, amount)
  end
end
for _, field in ipairs(redis.call('HKEYS', key)) do
  if string.match(field, '^[sf]:') then redis.call('HDEL', key, field) end
end
return 1
