-- Delete entries from an inbox, and the stream with its last one; forget the attempts of completed pages.
--
-- KEYS  stream: the inbox
--       attempts: hash of page -> attempts begun
-- ARGV  id_count: how many of the rest are ids
--       ids_and_pages: ids of the entries, then the completed pages
-- include: checkpointing.lists
-- include: checkpointing.key_types
local stream = KEYS[1]
local attempts = KEYS[2]
local id_count = tonumber(ARGV[1])
local ids_and_pages = list_from(ARGV, 2)

-- In slices, because Lua bounds how many values `unpack` returns.
local function in_slices(command, key, first, last)
  for from = first, last, 1000 do
    redis.call(command, key, unpack(ids_and_pages, from, math.min(from + 999, last)))
  end
end

ensure_type(stream, 'stream')
ensure_type(attempts, 'hash')
in_slices('XDEL', stream, 1, id_count)
in_slices('HDEL', attempts, id_count + 1, #ids_and_pages)
if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
