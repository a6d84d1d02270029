"""Logs, traces, metrics and task events of a worker.

It may import `config`, `queue` and `storage`; `billing`, `pipeline` and `reconciler` report to it.
"""
