"""Watching: where scans and stages stand, who works on what, and where the holes are, as it happens.

`collect` makes frozen facts of checkpoints and of what `crew` hears from Redis and the workers; `render` makes
lines of them and touches nothing else; `screen` and `lines` show those, on a terminal or in a log.
"""
