-- Put an inbox on the set of inboxes if it has entries, else take it off.
--
-- In one step: a reconciler that died between taking an empty inbox off the set and putting it back, because an
-- entry had come in, would leave that entry to wait for ever.
--
-- KEYS  stream: the inbox
--       inboxes: set of the inboxes that may hold entries
-- ARGV  name: of the inbox in that set
-- Result: 1 if it has entries and was not in the set, else 0.
-- include: checkpointing.key_types
local stream = KEYS[1]
local inboxes = KEYS[2]
local name = ARGV[1]

ensure_type(stream, 'stream')
ensure_type(inboxes, 'set')
if redis.call('XLEN', stream) > 0 then return redis.call('SADD', inboxes, name) end
redis.call('SREM', inboxes, name)
return 0
