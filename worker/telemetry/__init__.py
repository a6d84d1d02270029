"""Logs, traces, metrics and task events."""
