"""Text without pages and stages: edits, suggestions for misspelt names, and checks of characters and words.

It imports nothing of the other folders of `worker/`.
"""
