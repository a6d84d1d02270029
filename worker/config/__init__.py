"""Settings: every setting with its default, the config file, and where each value came from."""
