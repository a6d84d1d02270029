"""Sequence diagrams as numbered steps: the script that draws them elsewhere would come from another host."""

import re

_FENCE = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_PARTICIPANT = re.compile(r"participant (\w+) as (.+)")
_MESSAGE = re.compile(r"(\w+)->>(\w+): (.+)")


def without_mermaid(markdown: str) -> str:
    """Return a page with each sequence diagram as a numbered list.

    Raises:
        ValueError: a diagram is of another kind, or a line of it cannot be parsed.
    """
    return _FENCE.sub(lambda fence: _steps(fence[1]), markdown)


def _steps(diagram: str) -> str:
    kind, *lines = diagram.strip().splitlines()
    if kind.strip() != "sequenceDiagram":
        raise ValueError(f"the site shows only sequence diagrams, not {kind!r}")
    names: dict[str, str] = {}
    steps = []
    for line in filter(None, map(str.strip, lines)):
        if participant := _PARTICIPANT.fullmatch(line):
            names[participant[1]] = participant[2]
        elif message := _MESSAGE.fullmatch(line):
            sender, receiver = names[message[1]], names[message[2]]
            who = f"**{sender}**" if sender == receiver else f"**{sender}** → **{receiver}**"
            steps.append(f"1. {who}: {message[3]}")
        else:
            raise ValueError(f"cannot parse the line {line!r} of a sequence diagram")
    return "\n".join(steps) + "\n"
