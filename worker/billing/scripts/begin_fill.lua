-- Give out the token for filling an empty meter: the same one to all who ask while it is valid.
--
-- KEYS  key: the meter, see meter.lua
-- ARGV  nonce: something unique
-- Result: the token; nothing if the meter is filled.
-- include: worker.billing.meter
local key = KEYS[1]
local nonce = ARGV[1]

local meter = open_meter(key)
if meter.err then return meter end
if meter.spent then return false end
local token = redis.call('HGET', key, 'filling')
if not token then
  -- With the time in it, so that a repeated command does not give out an old token again.
  token = table.concat(redis.call('TIME'), '.') .. ' ' .. nonce
  redis.call('HSET', key, 'server', meter.server, 'filling', token)
end
return token
