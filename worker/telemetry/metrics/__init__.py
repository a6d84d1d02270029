"""Prometheus metrics of a worker. Off by default: then nothing is counted, and no library for it is loaded."""
