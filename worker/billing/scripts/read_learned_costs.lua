-- Read what was learned of the costs of a model.
--
-- KEYS  learned_costs: hash of field -> number
-- ARGV  fields: any number of fields
-- Result: the number in each field; 0 for what is missing or is not a number.
-- include: checkpointing.lists
-- include: checkpointing.key_types
local learned_costs = KEYS[1]
local fields = list_from(ARGV, 1)

ensure_type(learned_costs, 'hash')
local found = redis.call('HMGET', learned_costs, unpack(fields))
for i = 1, #fields do found[i] = math.max(0, tonumber(found[i] or '0') or 0) end
return found
