"""Run a book on one machine for `producer run`: an embedded broker and workers, ended with the command.

It may import `planning`, `watch`, `status`, `ingest` and `terminal`; only `commands` imports this package.
"""
