-- Read the failed calls since the last answer.
--
-- KEYS  key: the breaker, see breaker.lua
-- Result: their number, when the first and the last failed, the time now, and why the last one failed; nothing if
--         there are none.
-- include: worker.llm.breaker
local key = KEYS[1]

local breaker = open_breaker(key)
local failures = number_in(breaker, 'failures')
if failures == 0 then return false end
local since, last = number_in(breaker, 'since'), number_in(breaker, 'last')
return {failures, since, last, breaker.now, redis.call('HGET', key, 'said') or ''}
