"""From lines of text with their places to regions in reading order."""
