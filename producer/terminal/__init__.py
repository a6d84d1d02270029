"""Printing: results on stdout, progress on stderr."""
