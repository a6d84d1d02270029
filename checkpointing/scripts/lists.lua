-- Shared function: lists among KEYS and ARGV.

-- Return the values from this position on. `unpack` would do so for about 8,000 of them only.
local function list_from(values, first)
  local list = {}
  for i = first, #values do list[#list + 1] = values[i] end
  return list
end
