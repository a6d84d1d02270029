"""Tells apart lines that run up or down the page: vertical writing, and print that is turned by a quarter."""

from collections.abc import Sequence

from worker.ocr.boxes import Box
from worker.ocr.layout.straight import Line

_TALL = 2.5
"""Minimum height of a line that runs up or down, in its widths."""
_FEWEST_CHARACTERS = 3
"""Fewer are also taller than wide where they are level: a bracket, a `1`."""
_NEAR = 1.5
"""Maximum distance between two lines of a region, in the width of the wider one."""
_BESIDE = 0.5
"""Minimum part of the shorter line's height that is beside the other one."""


def take_vertical(lines: Sequence[Line]) -> tuple[list[Line], list[list[Line]]]:
    """Return the lines that are level, and groups of lines beside each other that run up or down.

    The lines of a group are in the order in which they are read: from right to left, or from left to right if they
    run upwards. The groups are ordered by their tops.

    Args:
        lines: of a page, straightened.
    """
    vertical = sorted(filter(_is_vertical, lines), key=lambda line: line.bbox.x)
    groups: list[list[Line]] = []
    for line in vertical:
        near = [group for group in groups if any(_are_beside(line.bbox, other.bbox) for other in group)]
        groups = [group for group in groups if not any(group is each for each in near)]
        groups.append([*(each for group in near for each in group), line])
    taken = set(map(id, vertical))
    level = [line for line in lines if id(line) not in taken]
    return level, sorted(map(_in_order, groups), key=lambda group: Box.around(line.bbox for line in group).y)


def _is_vertical(line: Line) -> bool:
    characters = sum(not character.isspace() for character in line.item.text)
    return characters >= _FEWEST_CHARACTERS and line.bbox.height >= _TALL * line.bbox.width


def _are_beside(one: Box, other: Box) -> bool:
    apart = max(one.x, other.x) - min(one.right, other.right)
    beside = min(one.bottom, other.bottom) - max(one.y, other.y)
    return apart <= _NEAR * max(one.width, other.width) and beside >= _BESIDE * min(one.height, other.height)


def _in_order(group: Sequence[Line]) -> list[Line]:
    upwards = sum(_runs_upwards(line) for line in group)
    return sorted(group, key=lambda line: line.bbox.x, reverse=2 * upwards <= len(group))


def _runs_upwards(line: Line) -> bool:
    (_, start), (_, end), _, _ = line.item.outline
    return start - end > line.bbox.width
