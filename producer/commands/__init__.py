"""The commands, a file each. Every one is a few lines over functions that can be imported."""
