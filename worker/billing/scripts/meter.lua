-- Shared functions: the meter of one scan (`worker.billing.meter` has the protocol).
--
-- The meter is a hash:
--   server         run_id of the server process that the meter was begun in
--   spent          once the meter is filled: what is spent, in whole micro-dollars
--   fraction       what is spent beyond that, in millionths of a micro-dollar
--   r:<attempt>    reserved for a call
--   filling        until the meter is filled: token for the fill
--   s:<attempt>    until the meter is filled: what a call cost that was settled meanwhile
--   f:<attempt>    fraction of that
-- Amounts are stored as the text that came in, because Lua counts in floats and writes large numbers as powers of
-- ten; fractions are kept apart for the same reason.
-- include: checkpointing.key_types

-- Return whether all amounts are amounts. Anything else was forged.
local function has_valid_amounts(fields)
  for i = 1, #fields, 2 do
    local is_amount = fields[i] == 'spent' or fields[i] == 'fraction' or string.match(fields[i], '^[rsf]:')
    if is_amount and not (#fields[i + 1] <= 15 and string.match(fields[i + 1], '^%d+$')) then return false end
  end
  return true
end

-- Return the meter, or a table with `err` for a server that does not tell its run_id. A meter that is forged or of
-- another server process is emptied, and so filled from the ledgers again. `spent` is false for an empty meter.
local function open_meter(key)
  local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if not server then return redis.error_reply('ERR this server does not tell its run_id') end
  ensure_type(key, 'hash')
  if redis.call('HGET', key, 'server') ~= server or not has_valid_amounts(redis.call('HGETALL', key)) then
    redis.call('DEL', key)
  end
  local fraction = tonumber(redis.call('HGET', key, 'fraction') or '0')
  return {key = key, server = server, spent = redis.call('HGET', key, 'spent'), fraction = fraction}
end

-- Add to what is spent: whole micro-dollars and millionths of one.
local function spend(meter, whole, millionths)
  redis.call('HINCRBY', meter.key, 'spent', whole)
  meter.fraction = meter.fraction + tonumber(millionths)
  if meter.fraction >= 1000000 then
    meter.fraction = meter.fraction - 1000000
    redis.call('HINCRBY', meter.key, 'spent', 1)
  end
  if meter.fraction > 0 then
    redis.call('HSET', meter.key, 'fraction', string.format('%d', meter.fraction))
  else
    redis.call('HDEL', meter.key, 'fraction')
  end
end

-- Return the sum of the reservations, without the field `except`.
local function sum_reserved(meter, except)
  local sum, found = 0, redis.call('HGETALL', meter.key)
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, 2) == 'r:' and found[i] ~= except then sum = sum + tonumber(found[i + 1]) end
  end
  return sum
end
