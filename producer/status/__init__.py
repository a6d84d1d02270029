"""The status of scans and stages, read from files alone, so that it works with Redis down.

Imports `terminal`; `watch`, `report`, `verify`, `planning`, `run` and `commands` import this package.
"""
