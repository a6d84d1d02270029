-- Shared functions: move waiting pages of one stage into Celery's queue.
--
-- A script that includes this file takes a table `queue` in JSON, which `Dispatch.values` makes in Python:
--   messages           list: Celery's queue of the stage
--   turns              list: scans with waiting pages; the next one is last
--   window             string: maximum number of messages in Celery's queue
--   waiting_keys       key of the waiting pages of a scan, with @SCAN@ in the place of its id
--   dispatched_keys    key of the pages in Celery's queue that have not begun, in the same form
--   run_keys           key of the run that asked last for pages, in the same form
--   template           message, with @SCAN@, @PAGE@, @ID@ and @RUN@ in their places
--   nonce              makes the ids of this call's messages unique
-- include: checkpointing.key_types

-- Without a heartbeat of any worker.
local DEFAULT_WINDOW = 16
-- A larger window was forged: a thousand machines of a hundred slots each need less.
local MAX_WINDOW = 1000000

local function fill_in(template, values)
  return (string.gsub(template, '@(%u+)@', values))
end

-- Return the id of the run that asked last for pages of a scan, in JSON. One that the message filter refuses would
-- keep the page from being done.
local function run_of(queue, scan)
  local run = redis.pcall('GET', fill_in(queue.run_keys, {SCAN = scan}))
  local trace, span = string.match(type(run) == 'string' and run or '', '^00%-([0-9a-f]+)%-([0-9a-f]+)%-0[0-3]$')
  local valid = trace and #trace == 32 and #span == 16 and string.find(trace, '[^0]') and string.find(span, '[^0]')
  return valid and '"' .. run .. '"' or 'null'
end

-- Return the message of a page, and note the page as dispatched. The number tells messages of one call apart.
local function make_message(queue, scan, page, number)
  local run = run_of(queue, scan)
  local dispatched = fill_in(queue.dispatched_keys, {SCAN = scan})
  ensure_type(dispatched, 'set')
  redis.call('SADD', dispatched, page)
  return fill_in(queue.template, {SCAN = scan, PAGE = page, ID = queue.nonce .. '-' .. number, RUN = run})
end

local function ensure_queue_types(queue)
  ensure_type(queue.messages, 'list')
  ensure_type(queue.turns, 'list')
  ensure_type(queue.window, 'string')
end

-- Move pages into Celery's queue until its window is full, one page of each scan in turn.
local function fill_window(queue)
  local size = tonumber(redis.call('GET', queue.window) or '')
  if not size or not (size >= 0 and size <= MAX_WINDOW) then size = DEFAULT_WINDOW end
  local room = size - redis.call('LLEN', queue.messages)
  local moved = 0
  while moved < room do
    local scan = redis.call('RPOP', queue.turns)
    if not scan then break end
    local waiting = fill_in(queue.waiting_keys, {SCAN = scan})
    ensure_type(waiting, 'zset')
    local page = redis.call('ZPOPMIN', waiting)[1]
    if page then
      moved = moved + 1
      redis.call('LPUSH', queue.messages, make_message(queue, scan, page, moved))
      if redis.call('EXISTS', waiting) == 1 then redis.call('LPUSH', queue.turns, scan) end
    end
  end
end
