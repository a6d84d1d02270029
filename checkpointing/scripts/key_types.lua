-- Shared functions: delete keys that hold what Leafmark cannot use. A script calls them before its first effect,
-- because what a script did before an error stays done.

-- Milliseconds. A worker holds a claim for an hour at most (`claim_seconds`), and locks are shorter.
local MAX_LEASE_MS = 2 * 3600 * 1000

-- Delete a key that is of another type.
local function ensure_type(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

-- Return whether a lock or claim is held. One of another type, without an end, or with an end that is hours away
-- was forged: it is deleted.
local function is_held(key)
  if redis.call('EXISTS', key) == 0 then return false end
  ensure_type(key, 'string')
  local left_ms = redis.call('PTTL', key)
  if left_ms == -1 or left_ms > MAX_LEASE_MS then redis.call('DEL', key) end
  return redis.call('EXISTS', key) == 1
end
