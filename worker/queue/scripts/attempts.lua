-- Shared function: attempts begun, a hash of page -> count.
-- include: checkpointing.key_types

-- Return the attempts begun of a page. What is not a count (9,999 at most) is deleted and counts as 0.
local function count_attempts(attempts, page)
  ensure_type(attempts, 'hash')
  local found = redis.call('HGET', attempts, page)
  if not found then return 0 end
  if string.match(found, '^%d%d?%d?%d?$') then return tonumber(found) end
  redis.call('HDEL', attempts, page)
  return 0
end
