"""A client of the fake server whose every command is a point."""

from typing import Any, cast

from fakeredis import FakeRedis
from redis.client import Pipeline

from tests.model.points import Points


class ShakyRedis(FakeRedis):
    """Says every command by way of the points, where it has any."""

    points: Points | None = None

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        def execute() -> Any:
            return cast("Any", super(ShakyRedis, self)).execute_command(*arguments, **options)

        return self.points.command(execute) if self.points else execute()

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "ShakyPipeline":
        made = ShakyPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.points = self.points
        return made


class ShakyPipeline(Pipeline):
    """A pipeline whose execution is one point."""

    points: Points | None = None

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, scripts = list(self.command_stack), set(self.scripts)

        def execute() -> list[Any]:
            self.command_stack, self.scripts = list(commands), set(scripts)
            return super(ShakyPipeline, self).execute(raise_on_error)

        found: list[Any] = self.points.command(execute) if self.points else execute()
        return found
