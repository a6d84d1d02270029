"""The heat maps of the grid: how much a page stands out, from 0 (not at all) to 4, and where a level begins."""

from bisect import bisect_left, bisect_right

from checkpointing.money import dollars

LEAST_CONFIDENCES = (0.99, 0.97, 0.94, 0.85)
"""A page read with at least the first is level 0, with at least the second level 1, and so on."""
MOST_EDITS = (0, 2, 5, 10)
"""A page with at most so many edits: level 0, 1, 2, 3."""
HIGHEST = 4


def confidence_level(confidence: float) -> int:
    """Of a page's mean OCR confidence, from 0 to 1: the lower, the hotter."""
    return HIGHEST - bisect_right(LEAST_CONFIDENCES[::-1], confidence)


def edits_level(edits: int) -> int:
    """Of how many edits a page has."""
    return bisect_left(MOST_EDITS, edits)


def cost_level(cost_usd: float, most_usd: float) -> int:
    """Of what a page cost, in quarters of what the dearest one did; a page that cost nothing is level 0."""
    return min(HIGHEST, 1 + int(cost_usd / most_usd * HIGHEST)) if cost_usd and most_usd else 0


def legends(most_usd: float) -> dict[str, tuple[str, ...]]:
    """What the levels mean, by heat map, from 0 to 4.

    Args:
        most_usd: what the dearest page cost.
    """
    percents = [f"{100 * least:.0f} %" for least in LEAST_CONFIDENCES]
    edits = [
        str(low) if low == high else f"{low}-{high}"
        for low, high in zip([0, *(most + 1 for most in MOST_EDITS[:-1])], MOST_EDITS, strict=True)
    ]
    quarters = [most_usd * quarter / HIGHEST for quarter in range(1, HIGHEST)]
    return {
        "confidence": (*(f"{percent} and more" for percent in percents), f"below {percents[-1]}"),
        "edits": (*edits, f"more than {MOST_EDITS[-1]}"),
        "cost": (
            "nothing",
            *(f"below {dollars(quarter)}" for quarter in quarters),
            f"up to {dollars(most_usd)}",
        ),
    }
