"""What happens behind everybody's back."""

import json
import re
from typing import Any

from tests.model.simulated_system import PAGES, SimulatedSystem
from tests.support.fake_deployment import SCAN, STAGE
from tests.support.stages import stamp
from worker.keys import Keys


class FaultActions(SimulatedSystem):
    """What may happen to storage, server and stage."""

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def flush(self, restart: bool) -> None:
        self._flush(restart)

    def lose_message(self) -> None:
        self.redis.rpop(Keys(self.settings.key_prefix).queue(STAGE))

    def harm_output(self, page: int, harm: str) -> None:
        path = self._output_path(page)
        path.parent.mkdir(exist_ok=True)
        match harm:
            case "delete":
                path.unlink(missing_ok=True)
            case "truncate":
                path.write_bytes(path.read_bytes()[:-5] if path.exists() else b"")
            case "swap":
                other = self._output_path(page % PAGES + 1)
                path.write_bytes(other.read_bytes() if other.exists() else b"{}")
            case "edit":
                path.write_text(stamp(page, "edited by hand").model_dump_json())
            case _:
                path.write_bytes(self.good.get(page, b""))
        self.judge.touched(page)

    def harm_checkpoint(self, harm: str, share: float) -> None:
        """Somebody writes it, and not in our way."""
        path = self._checkpoint_path
        if not path.exists() or self._is_held():
            return
        raw = path.read_bytes()
        usable = False
        match harm:
            case "truncate":
                raw = raw[: int(len(raw) * share)]
            case "zeros":
                raw = b"\0" * len(raw)
            case "newer":
                raw = re.sub(rb'"version": ?"[0-9.]+"', b'"version":"9.0"', raw)
            case _:
                usable = True
                raw = json.dumps(self._as_older_version()).encode()
        path.write_bytes(raw)
        self.judge.tampered(raw, usable=usable)

    def _as_older_version(self) -> dict[str, Any]:
        state = self.judge.state
        return {
            "version": "1.0",
            "scan_id": SCAN,
            "stage": STAGE,
            "status": state.status if state.status in {"in_progress", "completed", "failed"} else "in_progress",
            "completed_pages": sorted(state.pages),
            "total_pages": PAGES,
            "metadata": {"total_cost_usd": state.cost / 1_000_000},
        }

    def _is_held(self) -> bool:
        return any(step.verb not in {"process", "hand over"} for step in self.points.done_steps)

    def curse(self, page: int, act: str) -> None:
        """From now on the stage cannot do this page."""
        self.cursed[page] = act
