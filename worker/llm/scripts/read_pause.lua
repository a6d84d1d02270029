-- Return how many milliseconds of the pause, or of another call's trial, are left; 0 if a call may be tried.
--
-- KEYS  key: the breaker, see breaker.lua
-- include: worker.llm.breaker
local key = KEYS[1]

local breaker = open_breaker(key)
local pause_until = number_in(breaker, 'until')
if pause_until > breaker.now then return pause_until - breaker.now end
return math.max(0, number_in(breaker, 'trial_until') - breaker.now)
