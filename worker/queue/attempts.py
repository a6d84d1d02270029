"""Attempts begun, as Redis counts them: a hash of page to count. What is not a count there counts as nothing."""

# More are a forgery: `max_attempts` is at most 100, and each duplicate of a message adds one.
MOST_ATTEMPTS = 9_999

# After `TYPED`. Returns the attempts begun of a page.
COUNT = """
local function count(attempts, page)
  typed(attempts, 'hash')
  local found = redis.call('HGET', attempts, page)
  if not found then return 0 end
  if string.match(found, '^%d%d?%d?%d?$') then return tonumber(found) end
  redis.call('HDEL', attempts, page)
  return 0
end
"""


def read_attempts(found: dict[bytes, bytes]) -> dict[int, int]:
    """The counts by page in what the hash holds; what is not a page or not a count is left out."""
    numbers = ((int(page), int(begun)) for page, begun in found.items() if _is_number(page) and _is_number(begun))
    return {page: begun for page, begun in numbers if begun <= MOST_ATTEMPTS}


def _is_number(text: bytes) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return len(text) <= len("9999999") and text.isdigit()
