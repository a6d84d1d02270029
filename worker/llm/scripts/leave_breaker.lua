-- End the trial of a call that was not made, or whose end is not known.
--
-- KEYS  key: the breaker, see breaker.lua
-- ARGV  token: of the call
-- include: worker.llm.breaker
local key = KEYS[1]
local token = ARGV[1]

local breaker = open_breaker(key)
if is_trial(breaker, token) then end_trial(breaker) end
