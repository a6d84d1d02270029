-- Shared functions: the circuit breaker of one model.
--
-- The breaker is a hash, with times in milliseconds:
--   failures       failed calls in a row
--   since, last    when the first and the last of them failed
--   said           why the last of them failed, for people
--   outages        those of them that were not rate limits
--   foreign        1 if all of them were answered by something that is hardly the API
--   opens          how often the breaker was opened
--   until          end of the pause, while the breaker is open
--   trial          token of the call that is let through as a trial
--   trial_until    when another trial may be made
-- include: checkpointing.key_types

-- Return the breaker as it is now.
local function open_breaker(key)
  ensure_type(key, 'hash')
  local clock = redis.call('TIME')
  return {key = key, now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)}
end

-- Return the number in a field; 0 for none.
local function number_in(breaker, field)
  return tonumber(redis.call('HGET', breaker.key, field) or '') or 0
end

local function set_number(breaker, field, number)
  redis.call('HSET', breaker.key, field, string.format('%d', number))
end

local function is_trial(breaker, token)
  return redis.call('HGET', breaker.key, 'trial') == token
end

local function end_trial(breaker)
  redis.call('HDEL', breaker.key, 'trial', 'trial_until')
end
