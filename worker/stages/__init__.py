"""The stages of the pipeline: each with its output schema, its options and its checks; and the registry.

A stage imports nothing of Celery, Redis or the settings; `worker.pipeline` runs it.
"""
