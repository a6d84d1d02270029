"""Read the known texts of pages: text files, PAGE-XML, ALTO and hOCR, one module a format.

`source` finds the files and the pages that they are about. Imports nothing else of `producer`.
"""
