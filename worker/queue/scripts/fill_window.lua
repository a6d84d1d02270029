-- Move waiting pages of a stage into Celery's queue until its window is full.
--
-- KEYS, ARGV  those of `queue`, see dispatch.lua
-- include: worker.queue.dispatch
local queue = {
  messages = KEYS[1],
  turns = KEYS[2],
  window = KEYS[3],
  waiting_keys = ARGV[1],
  dispatched_keys = ARGV[2],
  run_keys = ARGV[3],
  template = ARGV[4],
  nonce = ARGV[5],
}

ensure_queue_types(queue)
fill_window(queue)
