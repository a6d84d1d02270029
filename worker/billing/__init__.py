"""Paying for a call once: prices, estimates, reservations against budgets, ledger entries around each call."""
