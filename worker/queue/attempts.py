"""Attempts begun, as Redis counts them: a hash of page to count. What is not a count there counts as nothing."""

# More are a forgery: `max_attempts` is at most 100, and each duplicate of a message adds one.
MAX_ATTEMPTS = 9_999


def read_attempts(found: dict[bytes, bytes]) -> dict[int, int]:
    """The counts by page in what the hash holds; what is not a page or not a count is left out."""
    numbers = ((int(page), int(begun)) for page, begun in found.items() if _is_number(page) and _is_number(begun))
    return {page: begun for page, begun in numbers if begun <= MAX_ATTEMPTS}


def _is_number(text: bytes) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return len(text) <= len("9999999") and text.isdigit()
