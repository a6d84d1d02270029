"""Small helpers for text that know nothing of pages or stages."""
