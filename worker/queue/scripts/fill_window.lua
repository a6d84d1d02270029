-- Move waiting pages of a stage into Celery's queue until its window is full.
--
-- ARGV  queue: see dispatch.lua
-- include: worker.queue.dispatch
local queue = cjson.decode(ARGV[1])

ensure_queue_types(queue)
fill_window(queue)
