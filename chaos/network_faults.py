"""Faults of the server and of the network in front of it."""

import signal
from typing import Literal, cast

from chaos.history import FaultRecord
from chaos.plan import Fault
from chaos.targets import Targets
from chaos.timetable import Timetable

_LONGEST_REPLY_DELAY = 1.5


class NetworkFaults:
    """Each public method is the fault of that name."""

    def __init__(self, targets: Targets, timetable: Timetable) -> None:
        self._targets = targets
        self._timetable = timetable

    def kill_server(self, fault: Fault, record: FaultRecord) -> None:
        self._kill_and_start(fault, record, empty=False)

    def empty_server(self, fault: Fault, record: FaultRecord) -> None:
        self._kill_and_start(fault, record, empty=True)

    def _kill_and_start(self, fault: Fault, record: FaultRecord, *, empty: bool) -> None:
        server = self._targets.server
        record.met = server.is_up
        server.kill()
        self._timetable.over_after(record, fault.seconds, lambda: server.start(empty=empty))

    def pause_server(self, fault: Fault, record: FaultRecord) -> None:
        server = self._targets.server
        record.met = server.is_up
        server.signal(signal.SIGSTOP)
        self._timetable.over_after(record, fault.seconds, lambda: server.signal(signal.SIGCONT))

    def flush(self, _fault: Fault, record: FaultRecord) -> None:
        record.met = self._targets.server.flush()

    def drop_replies(self, fault: Fault, record: FaultRecord) -> None:
        proxy = self._targets.proxy
        proxy.lose_replies(cast("Literal['reset', 'silent']", fault.variant))
        self._timetable.over_after(record, fault.seconds, lambda: proxy.lose_replies(None))

    def delay_replies(self, fault: Fault, record: FaultRecord) -> None:
        proxy = self._targets.proxy
        proxy.delay_replies(_LONGEST_REPLY_DELAY * fault.pick)
        self._timetable.over_after(record, fault.seconds, lambda: proxy.delay_replies(0))

    def cut_connections(self, fault: Fault, _record: FaultRecord) -> None:
        self._targets.proxy.cut(fault.pick)

    def black_hole(self, fault: Fault, record: FaultRecord) -> None:
        proxy = self._targets.proxy
        proxy.hold()
        self._timetable.over_after(record, fault.seconds, lambda: proxy.release(cut=fault.variant == "cut"))

    def refuse_connections(self, fault: Fault, record: FaultRecord) -> None:
        proxy = self._targets.proxy
        proxy.refuse()
        proxy.cut(fault.pick)
        self._timetable.over_after(record, fault.seconds, proxy.accept)
