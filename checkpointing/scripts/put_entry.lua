-- Add an entry to an inbox, and list the inbox.
--
-- KEYS  stream: the inbox
--       inboxes: set of the inboxes that may hold entries
-- ARGV  name: of the inbox in that set
--       fields: fields and values of the entry
-- include: checkpointing.lists
-- include: checkpointing.key_types
local stream = KEYS[1]
local inboxes = KEYS[2]
local name = ARGV[1]
local fields = list_from(ARGV, 2)

ensure_type(stream, 'stream')
ensure_type(inboxes, 'set')
redis.call('XADD', stream, '*', unpack(fields))
redis.call('SADD', inboxes, name)
