"""Read and follow the log files of a scan. Only `commands` imports this package."""
