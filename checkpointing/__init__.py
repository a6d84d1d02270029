"""Checkpoints of a scanned book: which pages are complete, what they cost, what failed."""
