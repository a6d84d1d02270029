"""Describe a book in one HTML file, as `producer report` does.

`collect` reads the files of a scan into the `model`; `charts` and `pictures` prepare what is drawn; `render` makes
the HTML and `write` saves it. Imports `status` and `terminal`; only `commands` imports this package.
"""
