-- Take a lease, or renew it if it has this token already.
--
-- KEYS  lease: token of its holder
-- ARGV  token: of the caller
--       lease_ms: length of the lease
-- Result: 1 if the caller holds the lease now, else 0.
-- include: checkpointing.key_types
local lease = KEYS[1]
local token = ARGV[1]
local lease_ms = ARGV[2]

if is_held(lease) then
  if redis.call('GET', lease) ~= token then return 0 end
  redis.call('PEXPIRE', lease, lease_ms)
  return 1
end
redis.call('SET', lease, token, 'PX', lease_ms)
return 1
