"""Sequence diagrams as numbered steps: the script that draws them elsewhere would come from another host."""

import re

_FENCE = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_PARTICIPANT = re.compile(r"participant (\w+) as (.+)")
_MESSAGE = re.compile(r"(\w+)->>(\w+): (.+)")


def without_mermaid(markdown: str) -> str:
    """The same page with each sequence diagram as a numbered list.

    Raises:
        ValueError: a diagram is of another kind, or has a line that is not understood.
    """
    return _FENCE.sub(lambda fence: _steps(fence[1]), markdown)


def _steps(diagram: str) -> str:
    kind, *lines = diagram.strip().splitlines()
    if kind.strip() != "sequenceDiagram":
        raise ValueError(f"only sequence diagrams can be shown on the site, not {kind!r}")
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
            raise ValueError(f"a line of a sequence diagram that is not understood: {line!r}")
    return "\n".join(steps) + "\n"
