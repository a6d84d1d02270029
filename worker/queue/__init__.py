"""The page queue in Redis: enqueue pages, dispatch them fairly into Celery's queue, claim them, filter messages.

It stands on `checkpointing` alone, and knows what a page is but not what is done with it. Its Lua scripts are in
`scripts/`, its keys in `keys.py`.
"""
