"""Decide what to do with a stage of a book and what it costs: plan, enqueue, cancel, reset, replace a page.

It may import `ingest`, `status` and `terminal`; `commands`, `run`, `verify` and `watch` import this package.
"""
