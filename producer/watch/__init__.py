"""Show where scans and stages stand while they are processed.

`collect` makes snapshots of checkpoints and of what the `sources` answer: Redis and the workers; `output` and
`render` turn a snapshot into lines and read nothing else; `screen` and `follow` show these lines on a terminal or
in a log. Imports `status` and `planning`; only `commands` and `run` import this package.
"""
