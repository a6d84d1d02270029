"""The table of targets for pages as they come, measured on generated pages that no tuning has seen.

`python -m benchmarks pages --pages 500 --processes 2` measures all of it; `--records FILE` continues a measurement
that was interrupted. `tasks` measures one page, `figures` makes the rows of the table of all that was measured.
"""
