-- Record a failed call; open the breaker after enough of them in a row, and again after a failed trial.
--
-- KEYS  key: the breaker, see breaker.lua
-- ARGV  token: of the call
--       said: why it failed, for people
--       foreign: 1 if what answered is hardly the API, else 0
--       outage: 1 if the failure counts towards opening the breaker, else 0 (a rate limit has pauses of its own)
--       calls_in_a_row: how many outages open it
--       first_pause_ms, longest_pause_ms: the pause doubles from one to the other
--       least_pause_ms: how long the provider asked to be left alone
--       keep_ms: how long to keep the record
-- Result: failures in a row, how often the breaker was opened, 1 if all of the failures were foreign.
-- include: worker.llm.breaker
local key = KEYS[1]
local token = ARGV[1]
local said = ARGV[2]
local foreign = tonumber(ARGV[3])
local outage = tonumber(ARGV[4])
local calls_in_a_row = tonumber(ARGV[5])
local first_pause_ms = tonumber(ARGV[6])
local longest_pause_ms = tonumber(ARGV[7])
local least_pause_ms = tonumber(ARGV[8])
local keep_ms = ARGV[9]

local breaker = open_breaker(key)
local failures = number_in(breaker, 'failures') + 1
if failures == 1 then set_number(breaker, 'since', breaker.now) end
set_number(breaker, 'failures', failures)
set_number(breaker, 'last', breaker.now)
redis.call('HSET', key, 'said', said)
if failures > 1 then foreign = math.min(foreign, number_in(breaker, 'foreign')) end
set_number(breaker, 'foreign', foreign)
local opens = number_in(breaker, 'opens')
local outages = number_in(breaker, 'outages') + outage
set_number(breaker, 'outages', outages)
local is_open = number_in(breaker, 'until') > 0
-- Of the calls that were under way when the breaker was opened, only the trial says anything new.
if (is_open and is_trial(breaker, token)) or (not is_open and outages >= calls_in_a_row) then
  opens = opens + 1
  set_number(breaker, 'opens', opens)
  local pause_ms = math.min(longest_pause_ms, first_pause_ms * 2 ^ math.min(opens - 1, 30))
  set_number(breaker, 'until', breaker.now + math.max(pause_ms, least_pause_ms))
  end_trial(breaker)
end
redis.call('PEXPIRE', key, keep_ms)
return {failures, opens, foreign}
