"""Readers of the pages that Scanshelf wrote, the program before Leafmark, in the form of the outputs of stages.

It imports only `worker.text`; the schemas of the stages call it for pages of an older form.
"""
