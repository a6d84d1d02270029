"""Check storage, Redis, workers and settings for `producer doctor`. It repairs nothing.

It imports no other room of `producer`; only `commands` imports this package.
"""
