-- Give a claim back. A claim with another token is left alone.
--
-- KEYS  claim: token of the worker that has the page
-- ARGV  token: of this worker
-- include: checkpointing.key_types
local claim = KEYS[1]
local token = ARGV[1]

if is_held(claim) and redis.call('GET', claim) == token then redis.call('DEL', claim) end
