"""Layout: arranges lines of text and pictures into regions in reading order. It imports only `worker.ocr`."""

LAYOUT = "layout 3"
"""How lines are arranged. A new one makes the pages that were arranged with the earlier one stale."""
