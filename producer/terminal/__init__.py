"""Print results on stdout and progress on stderr. Imports nothing else of `producer`."""
