-- Take one attempt at a page back. A count that Redis has forgotten meanwhile stays 0.
--
-- KEYS  attempts: hash of page -> attempts begun
-- ARGV  page: its number
-- include: worker.queue.attempts
local attempts = KEYS[1]
local page = ARGV[1]

if count_attempts(attempts, page) > 0 then redis.call('HINCRBY', attempts, page, -1) end
