"""Figures, each against a yardstick measured in the same run. `make bench` prints one JSON line a figure."""
