-- Delete the keys that are not of their type.
--
-- KEYS  keys: any number of keys
-- ARGV  types: the type of each key, as Redis names it (`list`, `zset`)
-- Result: the keys that were deleted.
-- include: checkpointing.lists
local keys = list_from(KEYS, 1)
local types = list_from(ARGV, 1)

local dropped = {}
for i, key in ipairs(keys) do
  local found = redis.call('TYPE', key).ok
  if found ~= types[i] and found ~= 'none' then
    redis.call('DEL', key)
    dropped[#dropped + 1] = key
  end
end
return dropped
