-- Find the claims that a worker holds.
--
-- KEYS  claims: any number of claims
-- Result: the position of each that is held, from 1.
-- include: checkpointing.lists
-- include: checkpointing.key_types
local claims = list_from(KEYS, 1)

local held = {}
for i, claim in ipairs(claims) do
  if is_held(claim) then held[#held + 1] = i end
end
return held
