-- Ask for a call to be let through. After a pause one call at a time is, as a trial.
--
-- KEYS  key: the breaker, see breaker.lua
-- ARGV  token: of the call
--       trial_ms: how long a trial keeps other calls away
-- Result: 1 if the call may be made, else 0.
-- include: worker.llm.breaker
local key = KEYS[1]
local token = ARGV[1]
local trial_ms = tonumber(ARGV[2])

local breaker = open_breaker(key)
local pause_until = number_in(breaker, 'until')
if pause_until == 0 then return 1 end
if pause_until > breaker.now or number_in(breaker, 'trial_until') > breaker.now then return 0 end
redis.call('HSET', key, 'trial', token)
set_number(breaker, 'trial_until', breaker.now + trial_ms)
return 1
