"""Start Celery and Python children safely: never with the working directory on their path.

It imports nothing else of `worker`; every room may import it.
"""
