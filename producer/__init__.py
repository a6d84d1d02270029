"""The command line: ingest a scan, enqueue what remains, look at where it stands."""
