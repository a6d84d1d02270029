"""Comparing source, checkpoints and outputs of a scan, like `fsck`, and repairing what differs."""
