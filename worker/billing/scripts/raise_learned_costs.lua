-- Raise what was learned of the costs of a model; a lower number changes nothing.
--
-- KEYS  learned_costs: hash of field -> number
-- ARGV  learned: field, number, field, number, ...
-- include: checkpointing.lists
-- include: checkpointing.key_types
local learned_costs = KEYS[1]
local learned = list_from(ARGV, 1)

ensure_type(learned_costs, 'hash')
for i = 1, #learned, 2 do
  local field, number = learned[i], learned[i + 1]
  local known = tonumber(redis.call('HGET', learned_costs, field) or '0') or 0
  if tonumber(number) > known then redis.call('HSET', learned_costs, field, number) end
end
