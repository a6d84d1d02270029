"""Every Redis key that Leafmark uses: its name, type and lifetime. No other module spells one.

None of them is the truth. Losing all of them loses no page and no dollar.

| key                              | type   | lives                | holds                                         |
|----------------------------------|--------|----------------------|-----------------------------------------------|
| `inboxes`                        | set    | always               | `<scan>/<stage>` of inboxes to look into      |
| `inbox:<scan>/<stage>`           | stream | until merged         | completions and failures, in JSON             |
| `commit:<scan>/<stage>`          | string | lock, then pause     | token of the coordinator that writes          |
| `heal:<scan>/<stage>`            | string | a few heal intervals | token of the reconciler that heals            |
| `claim:<scan>/<stage>/<page>`    | string | lease, renewed       | token of the worker that has the page         |
| `attempts:<scan>/<stage>`        | hash   | until complete       | page -> attempts begun                        |
| `waiting:<scan>/<stage>`         | zset   | until the stage ends | pages that wait, scored by their turn         |
| `dispatched:<scan>/<stage>`      | set    | until the stage ends | pages in Celery's queue that have not begun   |
| `run:<scan>/<stage>`             | string | until the stage ends | id of the run that asked last for pages       |
| `turns:<stage>`                  | list   | while pages wait     | scans with waiting pages; the next one last   |
| `slots:<stage>`                  | zset   | while workers live   | `<worker>=<slots>`, scored by the last beat   |
| `window:<stage>`                 | string | a few beats          | most messages in Celery's queue               |
| `meter:<scan>`                   | hash   | until recounted      | money spent and reserved, in micro-dollars    |
| `answers:<scan>`                 | hash   | a week               | answers of models -> the question of each     |
| `learned_costs`                  | hash   | always               | what calls of models cost beyond their prices |
| `breaker:<provider>/<model>`     | hash   | until an answer      | calls of a model that came to nothing         |
| `rates:...`                      | -      | a minute or two      | what `limits` keeps of calls and tokens       |
| `deployment`                     | string | always               | id of the deployment, as in the storage root  |
| `celery:<stage>`                 | list   | Celery's             | the messages of a stage's queue               |
| `celery:...`                     | -      | Celery's             | whatever else Celery and kombu keep           |

A key that is not of its type is deleted (`checkpointing.key_types`).
"""

from dataclasses import dataclass

from checkpointing.refs import StageRef


@dataclass(frozen=True, slots=True)
class Keys:
    """Spells the keys of one deployment.

    Args:
        prefix: starts every key, so that deployments can share a server.
    """

    prefix: str = "leafmark:"

    @property
    def inboxes(self) -> str:
        """Set of the inboxes that may hold entries."""
        return f"{self.prefix}inboxes"

    def inbox(self, ref: StageRef) -> str:
        """Stream of completions and failures that wait to be merged."""
        return self._of("inbox", ref)

    def commit(self, ref: StageRef) -> str:
        """Lock of the coordinator; kept through its pause so that nobody else commits meanwhile."""
        return self._of("commit", ref)

    def heal(self, ref: StageRef) -> str:
        """Lock of the reconciler that heals this stage."""
        return self._of("heal", ref)

    def claim(self, ref: StageRef, page: int) -> str:
        """Lease on one page."""
        return f"{self._of('claim', ref)}/{page}"

    def attempts(self, ref: StageRef) -> str:
        """Hash of attempts begun a page."""
        return self._of("attempts", ref)

    def waiting(self, ref: StageRef) -> str:
        """Sorted set of the pages that wait for their turn."""
        return self._of("waiting", ref)

    def dispatched(self, ref: StageRef) -> str:
        """Set of the pages that were put in Celery's queue and have not begun."""
        return self._of("dispatched", ref)

    def run(self, ref: StageRef) -> str:
        """Id of the run that asked last for pages of a stage; their messages name it."""
        return self._of("run", ref)

    def of_any_scan(self, stage: str) -> dict[str, str]:
        """Return what `waiting`, `dispatched` and `run` return, with `@SCAN@` in the place of a scan id.

        For scripts that find the scan inside Redis (`worker/queue/scripts/dispatch.lua`).
        """
        return {f"{kind}_keys": f"{self.prefix}{kind}:@SCAN@/{stage}" for kind in ("waiting", "dispatched", "run")}

    def turns(self, stage: str) -> str:
        """List of the scans that have waiting pages."""
        return f"{self.prefix}turns:{stage}"

    def slots(self, stage: str) -> str:
        """Sorted set of the workers that serve a stage."""
        return f"{self.prefix}slots:{stage}"

    def window(self, stage: str) -> str:
        """How many messages Celery's queue of a stage may hold."""
        return f"{self.prefix}window:{stage}"

    def meter(self, scan_id: str) -> str:
        """Hash of the money that a scan has spent, and of what is reserved for calls under way."""
        return f"{self.prefix}meter:{scan_id}"

    def breaker(self, provider: str, model: str) -> str:
        """Hash of the calls of a model that came to nothing, and of the pause that follows."""
        return f"{self.prefix}breaker:{provider}/{model}"

    def answers(self, scan_id: str = "") -> str:
        """Hash of the answers that a scan was given, with the question of each; without a scan what starts all."""
        return f"{self.prefix}answers:{scan_id}"

    @property
    def learned_costs(self) -> str:
        """Hash of what is reserved for calls of models that turned out dearer than their known prices."""
        return f"{self.prefix}learned_costs"

    @property
    def deployment(self) -> str:
        """Id of the deployment, which the storage root names too."""
        return f"{self.prefix}deployment"

    @property
    def rates(self) -> str:
        """Starts the keys in which the rates of calls are counted."""
        return f"{self.prefix}rates"

    @property
    def broker_prefix(self) -> str:
        """Starts every key of Celery's own (`global_keyprefix`)."""
        return f"{self.prefix}celery:"

    def queue(self, stage: str) -> str:
        """List of the messages in a stage's queue, as kombu spells it."""
        return f"{self.broker_prefix}{stage}"

    def types_of_stage(self, ref: StageRef) -> dict[str, str]:
        """The keys of one stage of one scan, each with its type. Those who take claims and locks check them."""
        return {
            self.inbox(ref): "stream",
            self.attempts(ref): "hash",
            self.waiting(ref): "zset",
            self.dispatched(ref): "set",
            self.run(ref): "string",
            self.meter(ref.scan_id): "hash",
            self.answers(ref.scan_id): "hash",
        }

    def types_of_queue(self, stage: str) -> dict[str, str]:
        """The keys that all scans share in a stage, each with its type."""
        return {
            self.turns(stage): "list",
            self.slots(stage): "zset",
            self.window(stage): "string",
            self.queue(stage): "list",
            f"{self.broker_prefix}_kombu.binding.{stage}": "set",
        }

    @property
    def types_of_deployment(self) -> dict[str, str]:
        """The keys that all stages share, each with its type."""
        return {
            self.inboxes: "set",
            self.learned_costs: "hash",
            self.deployment: "string",
            f"{self.broker_prefix}unacked": "hash",
            f"{self.broker_prefix}unacked_index": "zset",
            f"{self.broker_prefix}unacked_mutex": "string",
            f"{self.broker_prefix}_kombu.binding.celery.pidbox": "set",
            f"{self.broker_prefix}_kombu.binding.reply.celery.pidbox": "set",
            f"{self.broker_prefix}_kombu.binding.celeryev": "set",
        }

    def _of(self, kind: str, ref: StageRef) -> str:
        return f"{self.prefix}{kind}:{ref}"
