-- Raise counts of attempts that are lower than they were, as after a flush.
--
-- KEYS  attempts: hash of page -> attempts begun
-- ARGV  counts: page, attempts, page, attempts, ...
-- include: checkpointing.lists
-- include: worker.queue.attempts
local attempts = KEYS[1]
local counts = list_from(ARGV, 1)

for i = 1, #counts, 2 do
  local page, begun = counts[i], counts[i + 1]
  if count_attempts(attempts, page) < tonumber(begun) then redis.call('HSET', attempts, page, begun) end
end
