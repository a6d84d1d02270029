"""Compare the source, the checkpoints and the outputs of a scan, and repair what differs.

It may import `planning`, `status`, `ingest` and `terminal`; only `commands` imports this package.
"""
