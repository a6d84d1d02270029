"""The page queue in Redis: enqueue pages, dispatch them fairly into Celery's queue, claim them, filter messages.

The connection to Redis and the client of a deployment are here too. It knows how pages are queued, and not what is
done with them. Its Lua scripts are in `scripts/`, its keys in `keys.py`.
"""
