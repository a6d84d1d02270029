"""The Redis keys of calls to models: name, type and lifetime. No other module spells one of them.

| key                          | type | lives           | holds                                         |
|------------------------------|------|-----------------|-----------------------------------------------|
| `meter:<scan>`               | hash | until recounted | money spent and reserved, in micro-dollars    |
| `answers:<scan>`             | hash | a week          | answers of models -> the question of each     |
| `learned_costs`              | hash | always          | what calls of models cost beyond their prices |
| `breaker:<provider>/<model>` | hash | until an answer | failed calls of a model, and the pause        |
| `rates:...`                  | -    | a minute or two | what `limits` keeps of calls and tokens       |
"""

from checkpointing.keys import PrefixedKeys
from checkpointing.refs import StageRef


class BillingKeys(PrefixedKeys):
    """Keys of meters, known answers, learned costs, circuit breakers and rate limits."""

    def meter(self, scan_id: str) -> str:
        """Return the hash of the money that a scan has spent, and of what is reserved for calls under way."""
        return f"{self.prefix}meter:{scan_id}"

    def answers(self, scan_id: str = "") -> str:
        """Return the hash of the answers for a scan, with the question of each; without a scan the start of all."""
        return f"{self.prefix}answers:{scan_id}"

    @property
    def learned_costs(self) -> str:
        """Hash of what is reserved for calls of models that cost more than their known prices."""
        return f"{self.prefix}learned_costs"

    def breaker(self, provider: str, model: str) -> str:
        """Return the hash of the failed calls of a model, and of the pause that follows."""
        return f"{self.prefix}breaker:{provider}/{model}"

    @property
    def rates(self) -> str:
        """Start of the keys in which `limits` counts calls and tokens."""
        return f"{self.prefix}rates"

    def types_of_stage(self, ref: StageRef) -> dict[str, str]:
        """Add the meter and the answers."""
        return super().types_of_stage(ref) | {self.meter(ref.scan_id): "hash", self.answers(ref.scan_id): "hash"}

    def types_of_deployment(self) -> dict[str, str]:
        """Add the learned costs."""
        return super().types_of_deployment() | {self.learned_costs: "hash"}
