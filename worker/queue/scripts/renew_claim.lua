-- Lengthen a claim; one that Redis forgot is taken again.
--
-- KEYS  claim: token of the worker that has the page
-- ARGV  token: of this worker
--       lease_ms: length of the claim
-- Result: 1 if this worker has the page, 0 if another one has.
-- include: checkpointing.key_types
local claim = KEYS[1]
local token = ARGV[1]
local lease_ms = ARGV[2]

if is_held(claim) and redis.call('GET', claim) ~= token then return 0 end
redis.call('SET', claim, token, 'PX', lease_ms)
return 1
