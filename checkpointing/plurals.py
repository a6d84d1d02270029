"""Numbers with their nouns: `1 page`, `2 pages`."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun, in the singular for 1. The plural has an `s` unless it is given."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def page_counts(completed: int, total: int, doubtful: int, quarantined: int) -> str:
    """Return the state of a stage in words: `443 of 447 pages complete, 12 doubtful, 4 quarantined`."""
    parts = [f"{completed} of {counted(total, 'page')} complete"]
    parts += [
        f"{number} {state}" for number, state in ((doubtful, "doubtful"), (quarantined, "quarantined")) if number
    ]
    return ", ".join(parts)
