"""Measure how good a reading is, against pages whose text is known, as `producer evaluate` does.

`truth/` reads the known texts, `normalise` and `measure` compare them with what a stage read, `bootstrap` adds
intervals, `evaluate` goes through a book, `output` and `page` show the result. Imports `report` for pictures and
the style of the page, and `status`; only `commands` imports this package.
"""
