"""Reading and following the log files of a scan."""
