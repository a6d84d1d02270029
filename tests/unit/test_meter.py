"""The meter: what is spent and reserved never passes the budget, whatever Redis forgets and whoever dies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from checkpointing.lua import Script
from checkpointing.money import Money
from tests.support.fake_info import restart
from worker.billing.meter import Count, Meter, Reading, Reserved

micro = Money.from_micro

KEY = "leafmark:meter:book"

NOTHING = Count(Money(), {})


@pytest.fixture
def meter(redis: Redis) -> Meter:
    """One that is filled with nothing."""
    made = Meter(redis, KEY)
    made.refill(lambda: NOTHING)
    return made


def test_an_empty_meter_grants_nothing(redis: Redis) -> None:
    meter = Meter(redis, KEY)
    assert meter.reserve("a", micro(1), None) is Reserved.EMPTY
    assert meter.read() is None
    assert not redis.exists(KEY)


FORGED_METERS: dict[str, Callable[[Redis], object]] = {
    "a string": lambda redis: redis.set(KEY, "forged"),
    "a list": lambda redis: redis.rpush(KEY, "forged"),
    "a set": lambda redis: redis.sadd(KEY, "forged"),
    "a sorted set": lambda redis: redis.zadd(KEY, {"forged": 1}),
    "a stream": lambda redis: redis.xadd(KEY, {"forged": "x"}),
    "a hash of something else": lambda redis: redis.hset(KEY, "forged", "x"),
}
FORGED_FIELDS = {
    "spent that is text": ("spent", "text"),
    "spent below nothing": ("spent", "-1000000"),
    "spent beyond all": ("spent", "9" * 30),
    "a reservation that is text": ("r:b", "text"),
    "a reservation below nothing": ("r:b", "-1000000"),
}


@pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in FORGED_METERS.items()])
def test_a_meter_of_another_form_is_emptied_and_filled_from_the_ledgers(
    redis: Redis, forge: Callable[[Redis], object]
) -> None:
    meter = Meter(redis, KEY)
    meter.refill(lambda: NOTHING)
    redis.delete(KEY)
    forge(redis)
    meter.settle("a", micro(5))
    assert meter.read() is None
    assert meter.reserve("a", micro(60), micro(100)) is Reserved.EMPTY
    assert meter.refill(lambda: Count(micro(50), {"a": micro(20)}))
    assert meter.read() == Reading(micro(50), micro(20))
    assert meter.reserve("b", micro(60), micro(100)) is Reserved.REACHED


@pytest.mark.parametrize("field", [pytest.param(field, id=name) for name, field in FORGED_FIELDS.items()])
def test_a_meter_with_forged_amounts_is_emptied_and_grants_nothing(
    meter: Meter, redis: Redis, field: tuple[str, str]
) -> None:
    assert meter.reserve("a", micro(60), micro(100)) is Reserved.GRANTED
    redis.hset(KEY, *field)
    assert meter.reserve("b", micro(60), micro(100)) is Reserved.EMPTY
    meter.settle("a", micro(50))
    assert meter.read() is None
    assert meter.refill(lambda: Count(micro(50), {}))
    assert meter.reserve("b", micro(60), micro(100)) is Reserved.REACHED


def test_an_amount_that_is_forged_while_a_meter_is_filled_empties_it(redis: Redis) -> None:
    meter = Meter(redis, KEY)
    token = meter.begin_fill()
    assert token is not None
    redis.hset(KEY, "s:a", "text")
    assert not meter.fill(token, Count(micro(50), {"a": micro(60)}))
    assert meter.reserve("b", micro(1), micro(100)) is Reserved.EMPTY


def test_a_call_is_granted_up_to_the_last_micro_dollar(meter: Meter) -> None:
    assert meter.reserve("a", micro(60), micro(100)) is Reserved.GRANTED
    assert meter.reserve("b", micro(40), micro(100)) is Reserved.GRANTED
    assert meter.read() == Reading(micro(0), micro(100))
    assert meter.reserve("c", micro(1), micro(100)) is Reserved.WAIT
    assert meter.read() == Reading(micro(0), micro(100))


def test_a_call_waits_for_those_under_way_and_is_refused_for_good_when_they_are_paid(meter: Meter) -> None:
    meter.reserve("a", micro(60), micro(100))
    assert meter.reserve("b", micro(50), micro(100)) is Reserved.WAIT
    meter.settle("a", micro(60))
    assert meter.reserve("b", micro(50), micro(100)) is Reserved.REACHED
    assert meter.reserve("c", micro(40), micro(100)) is Reserved.GRANTED


def test_a_call_that_costs_less_than_was_reserved_leaves_the_rest(meter: Meter) -> None:
    meter.reserve("a", micro(60), micro(100))
    meter.settle("a", micro(13))
    assert meter.read() == Reading(micro(13), micro(0))
    assert meter.reserve("b", micro(87), micro(100)) is Reserved.GRANTED


def test_a_call_that_alone_is_more_than_the_budget_is_refused(meter: Meter) -> None:
    assert meter.reserve("a", micro(101), micro(100)) is Reserved.REACHED
    assert meter.reserve("b", micro(1), micro(0)) is Reserved.REACHED
    assert meter.reserve("c", micro(0), micro(0)) is Reserved.GRANTED, "what is free costs no budget"


def test_without_a_budget_everything_is_granted_and_counted(meter: Meter) -> None:
    assert meter.reserve("a", micro(10**14), None) is Reserved.GRANTED
    assert meter.read() == Reading(micro(0), micro(10**14))


def test_large_amounts_are_kept_to_the_micro_dollar(meter: Meter) -> None:
    """Up to the largest budget there is, a thousand million dollars."""
    most = 10**15
    meter.reserve("a", micro(most - 1), micro(most))
    meter.settle("a", micro(most - 1))
    assert meter.reserve("b", micro(2), micro(most)) is Reserved.REACHED
    assert meter.reserve("b", micro(1), micro(most)) is Reserved.GRANTED
    assert meter.read() == Reading(micro(most - 1), micro(1))


def test_amounts_finer_than_a_micro_dollar_add_up(meter: Meter) -> None:
    for number in range(25):
        meter.reserve(str(number), micro(1), micro(11))
        meter.settle(str(number), micro(Decimal("0.4")))
    assert meter.read() == Reading(micro(Decimal(10)), micro(0))
    meter.reserve("a", micro(1), None)
    meter.settle("a", micro(Decimal("0.0000001")))
    assert meter.read() == Reading(micro(Decimal("10.000001")), micro(0)), "rounded up, never down"
    assert meter.reserve("b", micro(1), micro(11)) is Reserved.REACHED
    assert meter.reserve("b", micro(1), micro(12)) is Reserved.GRANTED


def test_fractions_are_counted_by_a_fill_and_during_its_reading(redis: Redis) -> None:
    meter = Meter(redis, KEY)

    def read_the_disk() -> Count:
        meter.settle("a", micro(Decimal("5.7")))
        return Count(micro(Decimal("7.6")), {"a": micro(20), "b": micro(20)})

    assert meter.refill(read_the_disk)
    assert meter.read() == Reading(micro(Decimal("13.3")), micro(20))
    assert set(redis.hkeys(KEY)) == {b"server", b"spent", b"fraction", b"r:b"}


def test_to_say_it_again_changes_nothing(meter: Meter) -> None:
    for _ in range(2):
        assert meter.reserve("a", micro(60), micro(100)) is Reserved.GRANTED
        assert meter.read() == Reading(micro(0), micro(60))
    for _ in range(2):
        meter.settle("a", micro(50))
        assert meter.read() == Reading(micro(50), micro(0))
    meter.reserve("b", micro(10), micro(100))
    for _ in range(2):
        meter.cancel("b")
        assert meter.read() == Reading(micro(50), micro(0))


def test_a_reservation_that_no_longer_fits_is_refused_and_stays_until_it_is_cancelled(meter: Meter) -> None:
    """The question may be an echo, and the call be under way."""
    meter.reserve("a", micro(60), micro(100))
    assert meter.reserve("a", micro(60), micro(50)) is Reserved.REACHED
    assert meter.read() == Reading(micro(0), micro(60))


def test_a_meter_is_filled_once_by_the_first_who_has_read_the_disk(redis: Redis) -> None:
    one, two = Meter(redis, KEY), Meter(redis, KEY)
    token = one.begin_fill()
    assert token is not None
    assert two.begin_fill() == token
    assert two.fill(token, Count(micro(30), {"a": micro(20), "b": micro(10)}))
    assert not one.fill(token, Count(micro(30), {"a": micro(20)}))
    assert one.read() == Reading(micro(30), micro(30))
    assert one.begin_fill() is None
    assert not one.refill(lambda: NOTHING)


def test_a_call_that_was_read_as_asked_is_not_counted_twice(redis: Redis) -> None:
    meter = Meter(redis, KEY)
    assert meter.refill(lambda: Count(micro(30), {"a": micro(20)}))
    assert meter.reserve("a", micro(20), micro(50)) is Reserved.GRANTED
    assert meter.read() == Reading(micro(30), micro(20))


def test_the_answer_to_a_call_that_was_granted_before_a_flush_is_counted_once(meter: Meter, redis: Redis) -> None:
    meter.reserve("a", micro(20), micro(100))
    meter.reserve("b", micro(20), micro(100))
    redis.flushall()
    meter.refill(lambda: Count(micro(15), {"b": micro(20)}))
    meter.settle("a", micro(15))
    assert meter.read() == Reading(micro(15), micro(20)), "a was read as answered"
    meter.settle("b", micro(5))
    assert meter.read() == Reading(micro(20), micro(0))


def test_a_fill_from_a_reading_that_is_older_than_the_last_flush_is_refused(meter: Meter, redis: Redis) -> None:
    redis.flushall()
    stale = meter.begin_fill()
    assert stale is not None
    meter.refill(lambda: NOTHING)
    assert meter.reserve("a", micro(90), micro(100)) is Reserved.GRANTED
    redis.flushall()
    assert not meter.fill(stale, NOTHING)
    fresh = meter.begin_fill()
    assert fresh is not None
    assert not meter.fill(stale, NOTHING)
    assert meter.reserve("b", micro(90), micro(100)) is Reserved.EMPTY
    assert meter.fill(fresh, Count(micro(0), {"a": micro(90)}))
    assert meter.reserve("b", micro(90), micro(100)) is Reserved.WAIT


def test_what_is_settled_or_cancelled_during_the_reading_leaves_no_reservation(redis: Redis) -> None:
    meter = Meter(redis, KEY)

    def read_the_disk() -> Count:
        count = Count(micro(7), {"a": micro(20), "b": micro(20), "c": micro(20)})
        meter.settle("a", micro(5))
        meter.cancel("b")
        meter.settle("d", micro(7))
        return count

    assert meter.refill(read_the_disk)
    assert meter.read() == Reading(micro(12), micro(20))
    assert set(redis.hkeys(KEY)) == {b"server", b"spent", b"r:c"}


def test_what_is_settled_in_an_empty_meter_without_a_fill_is_left_to_the_disk(redis: Redis) -> None:
    Meter(redis, KEY).settle("a", micro(5))
    assert not redis.exists(KEY)


def test_the_disk_is_not_read_for_a_meter_that_is_filled(meter: Meter) -> None:
    def read_the_disk() -> Count:
        raise AssertionError("nobody needs it")

    assert not meter.refill(read_the_disk)


def test_a_fill_whose_reader_died_does_not_keep_others_from_it(redis: Redis) -> None:
    meter = Meter(redis, KEY)
    meter.begin_fill()
    assert meter.reserve("a", micro(1), micro(100)) is Reserved.EMPTY
    assert meter.refill(lambda: Count(micro(1), {}))
    assert meter.read() == Reading(micro(1), micro(0))


def test_a_server_that_comes_back_with_an_older_state_counts_as_empty(
    meter: Meter, redis: Redis, server: FakeServer
) -> None:
    older = redis.dump(KEY)
    assert isinstance(older, bytes)
    meter.reserve("a", micro(90), micro(100))
    restart(server)
    redis.restore(KEY, 0, older, replace=True)
    assert meter.read() is None
    assert meter.reserve("b", micro(90), micro(100)) is Reserved.EMPTY


def test_a_token_does_not_outlive_the_server_that_gave_it(meter: Meter, redis: Redis, server: FakeServer) -> None:
    redis.flushall()
    token = meter.begin_fill()
    assert token is not None
    restart(server)
    assert not meter.fill(token, NOTHING)


def test_a_repeated_command_for_a_token_does_not_give_out_an_old_one(redis: Redis) -> None:
    begin_fill: Script[bytes] = Script("worker.billing.begin_fill")
    tokens = set()
    for _ in range(2):
        redis.flushall()
        tokens.add(begin_fill(redis, key=KEY, nonce="the same"))
    assert len(tokens) == 2


def test_a_server_that_does_not_tell_which_it_is_grants_nothing(meter: Meter, server: FakeServer) -> None:
    server.run_id = ""
    with pytest.raises(ResponseError, match="run_id"):
        meter.reserve("a", micro(1), micro(100))


def test_a_meter_that_was_emptied_is_counted_again(meter: Meter) -> None:
    meter.reserve("a", micro(60), micro(100))
    meter.empty()
    assert meter.read() is None
    assert meter.refill(lambda: Count(micro(10), {}))
    assert meter.read() == Reading(micro(10), micro(0))


def test_scans_have_meters_of_their_own(meter: Meter, redis: Redis) -> None:
    other = Meter(redis, f"{KEY}-2")
    other.refill(lambda: Count(micro(99), {}))
    assert meter.reserve("a", micro(100), micro(100)) is Reserved.GRANTED
    assert other.reserve("a", micro(100), micro(100)) is Reserved.REACHED


def test_while_the_broker_is_away_nothing_is_granted(meter: Meter, server: FakeServer) -> None:
    server.connected = False
    with pytest.raises(RedisConnectionError):
        meter.reserve("a", micro(1), micro(100))
    with pytest.raises(RedisConnectionError):
        meter.settle("a", micro(1))
    with pytest.raises(RedisConnectionError):
        meter.refill(lambda: NOTHING)


BUDGET = 100
PAGES = 3
EXAMPLES = 200


@dataclass
class Call:
    """A call as its worker knows it, and how it stands on disk."""

    attempt: str
    most: int
    step: str = "planned"
    cost: Decimal = Decimal(0)
    taken_back: bool = False
    """Whether a reader has taken back its plan, which the worker does not know yet."""

    @property
    def page(self) -> int:
        return int(self.attempt) % PAGES

    @property
    def on_disk(self) -> str:
        if self.step in {"planned", "granted"}:
            return "" if self.taken_back else "planned"
        if self.step in {"asked", "made"}:
            return "asked"
        return "answered" if self.step in {"answered", "settled"} else ""


@dataclass
class Reader:
    """Somebody who reads the disk page by page, to fill the meter."""

    token: str
    spent: Money = field(default_factory=Money)
    reservations: dict[str, Money] = field(default_factory=dict)
    page: int = 0


class MeterMachine(RuleBasedStateMachine):
    """Workers that keep to the order, step by step, each of which may be its last, and a Redis that forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.server = FakeServer()
        self.redis = FakeRedis(server=self.server)
        self.meter = Meter(self.redis, KEY)
        self.calls: list[Call] = []
        self.dead: list[Call] = []
        self.readers: list[Reader] = []
        self.said: list[Callable[[], object]] = []
        self.older: dict[bytes, bytes] = {}
        self.with_echoes = False

    @initialize(with_echoes=st.booleans())
    def set_up(self, with_echoes: bool) -> None:
        self.with_echoes = with_echoes
        self.read_and_fill()

    def say(self, command: Callable[[], object]) -> object:
        self.said.append(command)
        return command()

    def everything(self) -> list[Call]:
        return self.calls + self.dead

    def under_way(self) -> list[Call]:
        return [call for call in self.calls if call.step not in {"settled", "cancelled"}]

    @precondition(lambda self: len(self.under_way()) < 4)
    @rule(most=st.sampled_from([30, 50, 60, 80]))
    def note_on_disk(self, most: int) -> None:
        self.calls.append(Call(str(len(self.everything())), most))

    @precondition(lambda self: self.under_way())
    @rule(number=st.integers(0, 3), quarters=st.integers(0, 320), reply_is_lost=st.booleans())
    def go_on(self, number: int, quarters: int, reply_is_lost: bool) -> None:
        """One of those who work does his next step."""
        found = self.under_way()
        call = found[number % len(found)]
        if call.step == "planned":
            self.reserve(call, reply_is_lost)
        elif call.step == "granted":
            call.step = "withdrawn" if call.taken_back else "asked"
        elif call.step == "asked":
            call.step, call.cost = "made", min(Decimal(quarters) / 4, Decimal(call.most))
        elif call.step == "made":
            call.step = "answered"
        elif call.step == "answered":
            self.say(lambda: self.meter.settle(call.attempt, micro(call.cost)))
            call.step = "answered" if reply_is_lost else "settled"
        else:
            self.say(lambda: self.meter.cancel(call.attempt))
            call.step = "withdrawn" if reply_is_lost else "cancelled"

    def reserve(self, call: Call, reply_is_lost: bool) -> None:
        reply = self.say(lambda: self.meter.reserve(call.attempt, micro(call.most), micro(BUDGET)))
        if reply is Reserved.GRANTED and not reply_is_lost:
            call.step = "granted"
        elif reply in {Reserved.WAIT, Reserved.REACHED} and not reply_is_lost:
            call.step = "withdrawn"

    @precondition(lambda self: len(self.under_way()) < 4)
    @rule(most=st.sampled_from([30, 60, 80]))
    def ask_and_make_a_call(self, most: int) -> None:
        self.note_on_disk(most)
        call = self.calls[-1]
        self.reserve(call, reply_is_lost=False)
        if call.step == "granted" and not call.taken_back:
            call.step, call.cost = "made", Decimal(most)

    @precondition(lambda self: any(call.step in {"planned", "granted", "asked"} for call in self.calls))
    @rule(number=st.integers(0, 3))
    def give_up_before_the_call(self, number: int) -> None:
        found = [call for call in self.calls if call.step in {"planned", "granted", "asked"}]
        found[number % len(found)].step = "withdrawn"

    @precondition(lambda self: self.under_way())
    @rule(number=st.integers(0, 3))
    def kill(self, number: int) -> None:
        found = self.under_way()
        call = found[number % len(found)]
        self.calls.remove(call)
        self.dead.append(call)

    @precondition(lambda self: any(call.on_disk == "planned" for call in self.everything()))
    @rule(number=st.integers(0, 3), tells=st.booleans())
    def take_back_a_plan(self, number: int, tells: bool) -> None:
        """The next worker of a page, or the reconciler; either may die before it tells the meter."""
        found = [call for call in self.everything() if call.on_disk == "planned"]
        call = found[number % len(found)]
        call.taken_back = True
        if tells:
            self.say(lambda: self.meter.cancel(call.attempt))

    @precondition(lambda self: len(self.readers) < 3)
    @rule()
    def begin_to_read(self) -> None:
        token = self.say(self.meter.begin_fill)
        if isinstance(token, str):
            self.readers.append(Reader(token))

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 2))
    def read_a_page(self, number: int) -> None:
        self.read_next(self.readers[number % len(self.readers)])

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 2))
    def read_on_and_fill(self, number: int) -> None:
        self.fill(self.readers[number % len(self.readers)])

    @rule()
    def read_and_fill(self) -> None:
        self.begin_to_read()
        if self.readers:
            self.fill(self.readers[-1])

    def fill(self, reader: Reader) -> None:
        while reader.page < PAGES:
            self.read_next(reader)
        self.readers.remove(reader)
        self.say(lambda: self.meter.fill(reader.token, Count(reader.spent, reader.reservations)))

    def read_next(self, reader: Reader) -> None:
        for call in self.everything():
            if call.page == reader.page and call.on_disk == "answered":
                reader.spent += micro(call.cost)
            elif call.page == reader.page and call.on_disk == "asked":
                reader.reservations[call.attempt] = micro(call.most)
            elif call.page == reader.page and call.on_disk == "planned":
                call.taken_back = True
        reader.page += 1

    @rule()
    def flush(self) -> None:
        self.redis.flushall()

    @precondition(lambda self: len(self.readers) < 3)
    @rule(pages=st.integers(0, PAGES))
    def flush_and_begin_to_read(self, pages: int) -> None:
        self.flush()
        self.begin_to_read()
        for _ in range(pages):
            self.read_next(self.readers[-1])

    @rule()
    def keep_the_state(self) -> None:
        self.older = self.redis.hgetall(KEY)

    @rule()
    def come_back_with_an_older_state(self) -> None:
        restart(self.server)
        self.redis.flushall()
        if self.older:
            self.redis.hset(KEY, mapping=self.older)

    @precondition(lambda self: self.with_echoes and self.said)
    @rule(number=st.integers(0, 9))
    def one_of_the_last_commands_arrives_once_more(self, number: int) -> None:
        recent = self.said[-10:]
        recent[number % len(recent)]()

    @invariant()
    def the_bill_is_within_the_budget(self) -> None:
        """With all that may still be billed: a call that is noted as asked is as good as made."""
        assert self.bill() <= BUDGET

    @invariant()
    def the_meter_has_all_that_was_asked(self) -> None:
        reading = self.meter.read()
        assert reading is None or self.bill() <= reading.total.micro

    def bill(self) -> Decimal:
        asked = sum(call.most for call in self.everything() if call.step == "asked")
        return asked + sum(call.cost for call in self.everything() if call.step in {"made", "answered", "settled"})

    def teardown(self) -> None:
        """Once everybody has come to an end, the meter is what the disk says."""
        for call in self.everything():
            if call.on_disk == "answered":
                self.meter.settle(call.attempt, micro(call.cost))
            elif call.on_disk != "asked":
                self.meter.cancel(call.attempt)
        if self.meter.read() is not None and not self.with_echoes:
            fields = self.redis.hgetall(KEY)
            reserved = {name[2:].decode() for name in fields if name.startswith(b"r:")}
            assert reserved <= {call.attempt for call in self.everything() if call.on_disk == "asked"}
            reading = self.meter.read()
            assert reading is not None
            assert reading.spent.micro == sum(c.cost for c in self.everything() if c.on_disk == "answered")
        self.redis.close()


MeterMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40)
test_whatever_happens_the_bill_stays_within_the_budget = MeterMachine.TestCase
