"""The Redis keys of calls to models: name, type and lifetime. No other module spells one of them.

| key                          | type | lives           | holds                                       |
|------------------------------|------|-----------------|---------------------------------------------|
| `breaker:<provider>/<model>` | hash | until an answer | failed calls of a model, and the pause      |
| `rates:...`                  | -    | a minute or two | what `limits` keeps of calls and tokens     |
"""

from checkpointing.keys import PrefixedKeys


class ModelKeys(PrefixedKeys):
    """Keys of circuit breakers and rate limits."""

    def breaker(self, provider: str, model: str) -> str:
        """Return the hash of the failed calls of a model, and of the pause that follows."""
        return f"{self.prefix}breaker:{provider}/{model}"

    @property
    def rates(self) -> str:
        """Start of the keys in which `limits` counts calls and tokens."""
        return f"{self.prefix}rates"
