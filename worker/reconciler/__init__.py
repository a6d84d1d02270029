"""The loop beside each worker: it commits completions, refills the queue and recovers lost pages."""
