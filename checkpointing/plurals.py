"""Numbers with their nouns: `1 page`, `2 pages`."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun, in the singular for 1.

    Args:
        number: how many.
        noun: in the singular.
        plural: of the noun; its singular with an `s` when absent.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
