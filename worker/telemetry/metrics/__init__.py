"""What a worker tells Prometheus. Off by default: then nothing is counted, and no library for it is loaded."""
