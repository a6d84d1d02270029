"""`producer doctor`: looks whether storage, Redis, workers and settings are as they should be. It mends nothing."""
