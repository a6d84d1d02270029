-- Read a meter.
--
-- KEYS  key: the meter, see meter.lua
-- Result: what is spent in whole micro-dollars, the millionths beyond that, the sum of the reservations; nothing if
--         the meter is empty.
-- include: worker.billing.meter
local key = KEYS[1]

local meter = open_meter(key)
if meter.err then return meter end
if meter.spent then return {tonumber(meter.spent), meter.fraction, sum_reserved(meter)} end
