"""The queues in the files of `deploy/` and in `docker-compose.yml`, made from the stages that are registered.

`python -m docs_tools.deploy_files` writes them; a test compares. Workers with `--pool=threads` serve the stages
that ask a model, the others the rest.
"""

import re
from pathlib import Path

from worker.stages.base import MODEL_THREADS
from worker.stages.registry import STAGES

PROJECT = Path(__file__).parents[1]
_SCALING = PROJECT / "deploy" / "kubernetes" / "overlays" / "keda" / "scaling.yaml"
FILES = (
    PROJECT / "docker-compose.yml",
    *sorted((PROJECT / "deploy" / "kubernetes" / "base").glob("*.yaml")),
    *sorted((PROJECT / "deploy" / "systemd").glob("*.service")),
    _SCALING,
)
# `-Q ocr` in a unit of systemd, `"-Q", "ocr"` in YAML: each command stands on one line.
_QUEUES = re.compile(r"""(-Q"?,? "?)[a-z0-9_,]+(?=[" ])(.*)""")
_THREADS = re.compile(r"(--pool=threads\W+--concurrency[= ])\d+")
_TRIGGERS = re.compile(r"( *# triggers of the stages that ask a model\n)(?: .*\n)*")
_TRIGGER = """\
    - type: redis
      metadata:
        address: valkey.leafmark.svc:6379
        listName: leafmark:celery:{stage}
        listLength: "{threads}"
      authenticationRef:
        name: valkey
"""


def with_queues(text: str) -> str:
    """Return a file that starts workers, with the queues of today's stages."""
    asking = [name for name, stage in STAGES.items() if stage.uses_model]
    others = [name for name in STAGES if name not in asking]

    def queues(found: re.Match[str]) -> str:
        return found[1] + ",".join(asking if "--pool=threads" in found[2] else others) + found[2]

    text = _THREADS.sub(rf"\g<1>{MODEL_THREADS}", _QUEUES.sub(queues, text))
    triggers = "".join(_TRIGGER.format(stage=name, threads=STAGES[name].threads) for name in asking)
    return _TRIGGERS.sub(rf"\g<1>{triggers}", text)


if __name__ == "__main__":
    for path in FILES:
        path.write_text(with_queues(path.read_text(encoding="utf-8")), encoding="utf-8")
