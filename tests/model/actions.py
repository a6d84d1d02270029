"""What may happen, with what may be different about it each time."""

from typing import Any

from hypothesis import strategies as st

from tests.model.simulated_system import PAGES, PROCESSES
from tests.model.steps import Action, Kind, Trouble

Strategy = st.SearchStrategy[Any]

_who = st.integers(0, PROCESSES - 1)
_page = st.integers(1, PAGES)
_cost = st.sampled_from([0.02, 0.5, 0.07, 0.000001])

_act = st.sampled_from(["fine", "differ", "fail", "give up", "no disk", "die", "slow", "overtaken", "taken away"])
_HAND_OVER: dict[str, Strategy] = {
    "who": _who,
    "page": _page,
    "text": st.sampled_from(["stamped", "otherwise"]),
    "cost": st.none() | _cost,
    "times": st.integers(1, 2),
}
_NUISANCES: dict[str, dict[str, Strategy]] = {
    "wait": {"seconds": st.sampled_from([0.1, 3.0, 6.0, 20.0])},
    "hand_over_untruth": {"page": _page, "sha256": st.sampled_from("0af")},
    "hand_over_failure": {"page": _page},
    "harm_output": {
        "page": _page,
        "harm": st.sampled_from(["restore", "delete", "truncate", "swap", "edit"]),
    },
    "harm_checkpoint": {
        "harm": st.sampled_from(["older", "truncate", "zeros", "newer"]),
        "share": st.floats(0, 0.99),
    },
    "flush": {"restart": st.booleans()},
    "lose_message": {},
    "curse": {"page": _page, "act": st.sampled_from(["fail", "die", "give up"])},
}
_DEEDS: dict[str, dict[str, Strategy]] = {
    "commit": {"who": _who, "lock_is_free": st.just(True) | st.booleans()},
    "tend_inboxes": {"who": _who},
    "recover": {"who": _who},
    "enqueue": {
        "who": _who,
        "pages": st.just((1, PAGES)) | st.tuples(_page, _page),
        "resume": st.sampled_from([True, True, False]),
        "release": st.sampled_from([False, False, True]),
    },
    "process_next": {"who": _who, "act": _act, "delivery": st.sampled_from(["again", "once"])},
    "process": {"who": _who, "page": _page, "act": _act},
    "mark_completed": {"page": _page, "cost": _cost},
    "manage": {
        "verb": st.sampled_from(["stage_complete", "stage_failed", "get_remaining", "reset", "flush"]),
        "page": _page,
        "cost": _cost,
    },
}


_WORK = {"process_next", "process"}


def _actions(verb: str, arguments: dict[str, Strategy]) -> st.SearchStrategy[Action]:
    return st.builds(Action, st.just(verb), st.fixed_dictionaries(arguments))


_nuisance = st.one_of([_actions(verb, arguments) for verb, arguments in _NUISANCES.items()])
_IN_PEACE: dict[str, dict[str, Strategy]] = {
    verb: arguments | ({"meanwhile": st.just(())} if verb in _WORK else {}) for verb, arguments in _DEEDS.items()
}
_step = st.one_of([_actions(verb, arguments) for verb, arguments in _IN_PEACE.items()])
_race = st.sampled_from(["overtake", "duplicate"]).flatmap(lambda verb: _actions(verb, {"who": _who, "act": _act}))
_meanwhile = st.lists(
    st.one_of(_actions("hand_over", _HAND_OVER), _step, _race, _nuisance), min_size=1, max_size=3
).map(tuple)
_PAUSES = [Kind.PAUSED_BEFORE, Kind.PAUSED_AFTER]
_point = st.integers(1, 9)
_paused = st.builds(Trouble, _point, st.sampled_from(_PAUSES), _meanwhile)
_struck = st.builds(Trouble, _point, st.sampled_from([kind for kind in Kind if kind not in _PAUSES]))
_trouble = st.one_of(st.none(), _paused, _paused, _struck)

ACTIONS: dict[str, dict[str, Strategy]] = {
    "hand_over": _HAND_OVER,
    **_NUISANCES,
    **{verb: arguments | {"trouble": _trouble} for verb, arguments in _DEEDS.items()},
}
for _verb in _WORK:
    ACTIONS[_verb] |= {"meanwhile": st.just(()) | _meanwhile}
