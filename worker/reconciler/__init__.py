"""The process beside each worker that commits completions, refills the queue and recovers lost pages.

It may import every other package of `worker`; only `worker.celery` starts it.
"""
