-- Add an entry to an inbox, list the inbox, and give back the claim that the entry ends.
--
-- KEYS  stream: the inbox
--       inboxes: set of the inboxes that may hold entries
--       claims: the lease on the page of the entry; none where no worker has it
-- ARGV  name: of the inbox in that set
--       token: of the worker; a claim with another token is left alone
--       fields: fields and values of the entry
-- include: checkpointing.lists
-- include: checkpointing.key_types
local stream = KEYS[1]
local inboxes = KEYS[2]
local claims = list_from(KEYS, 3)
local name = ARGV[1]
local token = ARGV[2]
local fields = list_from(ARGV, 3)

ensure_type(stream, 'stream')
ensure_type(inboxes, 'set')
for _, claim in ipairs(claims) do ensure_type(claim, 'string') end
redis.call('XADD', stream, '*', unpack(fields))
redis.call('SADD', inboxes, name)
for _, claim in ipairs(claims) do
  if redis.call('GET', claim) == token then redis.call('DEL', claim) end
end
