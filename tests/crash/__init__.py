import pytest

# What they insist on is told in full when it does not hold, as in the tests themselves.
for module in ("scene", "page_save", "checkpoint_commit", "resume", "enduring", "faults"):
    pytest.register_assert_rewrite(f"{__name__}.{module}")
