"""Redis keys: each room spells its own, and no name is in two rooms."""

from itertools import combinations

import pytest

from checkpointing.keys import CheckpointKeys, PrefixedKeys
from checkpointing.refs import StageRef
from worker.billing.keys import BillingKeys
from worker.keys import Keys
from worker.queue.keys import QueueKeys

REF = StageRef("a-book", "ocr")
ROOMS: list[type[PrefixedKeys]] = [CheckpointKeys, QueueKeys, BillingKeys, Keys]
# Names on the server, which workers of other versions read.
ON_THE_SERVER = {
    "inboxes": "leafmark:inboxes",
    "inbox": "leafmark:inbox:a-book/ocr",
    "commit": "leafmark:commit:a-book/ocr",
    "heal": "leafmark:heal:a-book/ocr",
    "claim": "leafmark:claim:a-book/ocr/7",
    "claim_start": "leafmark:claim:a-book/ocr/",
    "attempts": "leafmark:attempts:a-book/ocr",
    "waiting": "leafmark:waiting:a-book/ocr",
    "dispatched": "leafmark:dispatched:a-book/ocr",
    "run": "leafmark:run:a-book/ocr",
    "turns": "leafmark:turns:ocr",
    "slots": "leafmark:slots:ocr",
    "window": "leafmark:window:ocr",
    "dedicated": "leafmark:dedicated:ocr",
    "queue": "leafmark:celery:ocr",
    "broker_prefix": "leafmark:celery:",
    "meter": "leafmark:meter:a-book",
    "answers": "leafmark:answers:a-book",
    "learned_costs": "leafmark:learned_costs",
    "breaker": "leafmark:breaker:api.example/a-model",
    "rates": "leafmark:rates",
    "deployment": "leafmark:deployment",
}
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "claim": (REF, 7),
    "turns": ("ocr",),
    "slots": ("ocr",),
    "window": ("ocr",),
    "dedicated": ("ocr",),
    "queue": ("ocr",),
    "meter": ("a-book",),
    "answers": ("a-book",),
    "breaker": ("api.example", "a-model"),
}


def names_of(room: type[PrefixedKeys]) -> set[str]:
    """The keys that a room adds, by the names of its methods."""
    found = {name for name in vars(room) if not name.startswith(("_", "types_of_"))}
    return found - {"of_any_scan"}


def key_of(name: str) -> str:
    found = getattr(Keys(), name)
    return found if isinstance(found, str) else found(*ARGUMENTS.get(name, (REF,)))


def kinds_of(room: type[PrefixedKeys]) -> set[str]:
    """How the keys of a room begin on the server."""
    return {key_of(name).split(":")[1] for name in names_of(room)}


def test_no_two_rooms_share_a_name() -> None:
    for one, other in combinations(ROOMS, 2):
        assert not names_of(one) & names_of(other)
        assert not kinds_of(one) & kinds_of(other)


@pytest.mark.parametrize("name", sorted(set().union(*map(names_of, ROOMS))))
def test_a_key_is_spelled_as_workers_of_other_versions_spell_it(name: str) -> None:
    assert key_of(name) == ON_THE_SERVER[name]


def test_keys_of_any_scan_are_those_of_each_scan() -> None:
    keys = Keys("test:")
    found = {name: key.replace("@SCAN@", "a-book") for name, key in keys.of_any_scan("ocr").items()}
    assert found == {
        "waiting_keys": keys.waiting(REF),
        "dispatched_keys": keys.dispatched(REF),
        "run_keys": keys.run(REF),
    }


def test_types_are_those_of_all_rooms() -> None:
    keys = Keys()
    stage = {"inbox": "stream", "attempts": "hash", "waiting": "zset", "dispatched": "set", "run": "string"}
    assert keys.types_of_stage(REF) == {
        key_of(name): kind for name, kind in {**stage, "meter": "hash", "answers": "hash"}.items()
    }
    queue = {"turns": "list", "slots": "zset", "window": "string", "dedicated": "zset", "queue": "list"}
    own = {key_of(name): kind for name, kind in queue.items()}
    assert keys.types_of_queue("ocr") == {**own, "leafmark:celery:_kombu.binding.ocr": "set"}
    deployment = {"leafmark:inboxes": "set", "leafmark:learned_costs": "hash", "leafmark:deployment": "string"}
    found = keys.types_of_deployment()
    assert {key: kind for key, kind in found.items() if ":celery:" not in key} == deployment
    assert found["leafmark:celery:unacked_index"] == "zset"
