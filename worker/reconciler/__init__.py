"""The loop beside each worker: it commits completions, refills the queue and recovers lost pages.

It may import every room; only `worker.celery` starts it.
"""
