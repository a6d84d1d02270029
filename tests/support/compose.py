"""docker-compose.yml, read as Compose reads it where that is needed."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def interpolated(text: str, variables: Mapping[str, str] | None = None) -> str:
    """A value with each `${NAME:-default}` replaced by the variable, or by its default where that is not set."""
    return _VARIABLE.sub(lambda found: (variables or {}).get(found[1]) or found[2], text)
