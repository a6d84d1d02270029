"""The embedded broker starts whatever the storage root is called."""

from pathlib import Path

import pytest
from redis import Redis

from producer.run.embedded_broker import embedded_broker


@pytest.mark.parametrize("name", ["My Books", "Alice's", 'the "best"', "Книги", "a#b;c", "tab\there"])
def test_broker_starts_in_a_folder_whose_name_has_spaces_quotes_or_other_letters(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "valkey"
    folder.parent.mkdir()
    with embedded_broker(folder) as broker, Redis.from_url(broker.url) as client:
        client.set("key", "value")
        broker.keep_alive()
        assert client.get("key") == b"value"
