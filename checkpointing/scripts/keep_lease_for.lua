-- Let a lease end so many milliseconds from now. A lease with another token is left alone.
--
-- KEYS  lease: token of its holder
-- ARGV  token: of the caller
--       lease_ms: what is left of the lease
-- include: checkpointing.key_types
local lease = KEYS[1]
local token = ARGV[1]
local lease_ms = ARGV[2]

if is_held(lease) and redis.call('GET', lease) == token then redis.call('PEXPIRE', lease, lease_ms) end
