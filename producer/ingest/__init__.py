"""Turn a PDF, a folder of images or a Scanshelf folder into a scan, after a check of the source.

It may import `terminal`; `commands`, `planning`, `run` and `verify` import this package.
"""
