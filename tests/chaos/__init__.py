"""Tests of the chaos harness itself."""
