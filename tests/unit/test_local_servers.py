"""Servers of one's own: which they are, how long they may take, and how many calls they are asked for at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.waiting import wait_until
from worker.config.settings import Settings
from worker.llm.local_servers import QUICK_SECONDS, CallSlots, is_local

SOON = 0.01


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.178.20", True),
        ("172.17.0.1", True),
        ("169.254.1.1", True),
        ("fd00::5", True),
        ("localhost", True),
        ("ollama", True),
        ("gpu-box.local", True),
        ("host.docker.internal", True),
        ("Llama.LAN.", True),
        ("vllm.default.svc", True),
        ("8.8.8.8", False),
        ("2606:4700::1", False),
        ("api.openai.com", False),
        ("openrouter.ai", False),
        ("local.example.com", False),
        ("", False),
    ],
)
def test_a_server_of_ones_own_is_known_by_its_name_or_address(host: str, local: bool) -> None:
    assert is_local(host) == local


def settings(url: str, **more: object) -> Settings:
    return Settings(llm_base_url=url, correction_model="m", **more)  # type: ignore[arg-type]


def test_a_call_of_a_local_server_may_take_long_and_its_page_as_long() -> None:
    local = settings("http://127.0.0.1:8080/v1")
    assert local.call_seconds == 1800
    assert local.soft_seconds("correction") > 1800
    assert local.hard_seconds("correction") > local.soft_seconds("correction")
    assert local.longest_seconds >= local.hard_seconds("correction")
    assert local.soft_seconds("ocr") == local.soft_seconds("fix") == 600


def test_a_call_of_a_public_server_is_given_up_sooner() -> None:
    public = settings("https://api.openai.com/v1")
    assert public.call_seconds == 120
    assert public.soft_seconds("correction") == 600


def test_a_page_has_the_time_that_its_call_is_given() -> None:
    slow = settings("https://api.openai.com/v1", llm_seconds=3600)
    assert slow.call_seconds == 3600
    assert slow.soft_seconds("correction") > 3600


def test_limits_of_pages_that_are_set_hold() -> None:
    assert settings("http://127.0.0.1/v1", page_seconds=900).soft_seconds("correction") == 900
    of_stage = settings("http://127.0.0.1/v1", stage_seconds={"correction": 77})
    assert of_stage.soft_seconds("correction") == 77


def test_an_address_that_is_none_is_left_to_the_client_to_name() -> None:
    assert settings("http://[::1/v1").call_seconds == 120


def at_once(slots: CallSlots) -> int:
    """How many slots can be taken at the same time, of 50."""
    enough = threading.Event()

    def take(_: int) -> bool:
        with slots.taken(SOON) as is_free:
            if is_free:
                enough.wait(10)
            return is_free

    with ThreadPoolExecutor(50) as pool:
        found = [pool.submit(take, number) for number in range(50)]
        wait_until(lambda: sum(each.done() for each in found) + slots._taken >= 50, 5, "all to have tried")
        enough.set()
        return sum(each.result() for each in found)


def test_calls_of_public_servers_are_not_bounded() -> None:
    assert at_once(CallSlots(is_bounded=False)) == 50


def test_a_local_server_is_asked_for_two_at_once_as_long_as_it_is_slow() -> None:
    slots = CallSlots(is_bounded=True)
    assert at_once(slots) == 2
    for _ in range(20):
        slots.note_answer(QUICK_SECONDS + 1)
    assert at_once(slots) == 2


def test_a_local_server_that_answers_quickly_is_asked_for_more() -> None:
    slots = CallSlots(is_bounded=True)
    for _ in range(20):
        slots.note_answer(0.5)
    assert at_once(slots) == 22


def test_a_server_that_runs_out_of_time_is_asked_for_half_and_never_for_none() -> None:
    slots = CallSlots(is_bounded=True)
    for _ in range(6):
        slots.note_answer(0.5)
    slots.note_timeout()
    assert at_once(slots) == 4
    for _ in range(9):
        slots.note_timeout()
    assert at_once(slots) == 1


def test_a_slot_is_given_back_whatever_happens() -> None:
    slots = CallSlots(is_bounded=True)
    for _ in range(5):
        with pytest.raises(ValueError, match="so it is"), slots.taken(SOON):
            raise ValueError("so it is")
    assert at_once(slots) == 2
