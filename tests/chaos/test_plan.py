from collections import Counter

from chaos.faults import PARTS
from chaos.plan import kinds, make_plan


def test_a_seed_gives_the_same_plan_again() -> None:
    assert make_plan(7, 300) == make_plan(7, 300)
    assert make_plan(7, 300) != make_plan(8, 300)


def test_a_plan_is_in_order_and_within_its_time() -> None:
    times = [fault.at for fault in make_plan(1, 60)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 60


def test_a_minute_meets_dozens_of_faults_and_five_minutes_every_kind() -> None:
    assert len(make_plan(1, 60)) > 40
    assert set(Counter(fault.kind for fault in make_plan(1, 300))) == set(kinds())


def test_every_kind_of_fault_can_be_done() -> None:
    known = {name.replace("_", "-") for part in PARTS for name in vars(part) if not name.startswith("_")}
    assert known == set(kinds())
