"""Hosts of their own on one machine: network namespaces on a switch, each with an address and a host name.

The switch is a bridge in a namespace too, so the machine's own network is never touched. They share the machine's
file system, as hosts do that have mounted one share, but without anything that a network file system does.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

_PREFIX = "leafmark-"
_NEEDED = ("ip", "unshare", "hostname")
_SWITCH = "switch"
_NETWORK = "10.213.7"


@dataclass(frozen=True)
class Host:
    """One host.

    Attributes:
        name: its host name, as records show it.
        namespace: of its network.
        address: on the switch.
    """

    name: str
    namespace: str
    address: str

    def command(self, command: list[str]) -> list[str]:
        """A command that runs as on this host; it is the process itself in the end, not a child."""
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        return ["ip", "netns", "exec", self.namespace, *named, *command]


class Network:
    """Some hosts on one switch.

    Args:
        names: of the hosts.
    """

    def __init__(self, names: list[str]) -> None:
        self._switch = f"{_PREFIX}{os.getpid()}-{_SWITCH}"
        self.hosts = {
            name: Host(name, f"{_PREFIX}{os.getpid()}-{name}", f"{_NETWORK}.{number}")
            for number, name in enumerate(names, 1)
        }

    def build(self) -> None:
        """Make everything."""
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "switch0", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch0", "up")
        for host in self.hosts.values():
            self._add(host)
        for host in self.hosts.values():
            for other in self.hosts.values():
                if other is not host:
                    # Known for good: who looks for a host behind a cut link would else be told so after seconds.
                    neighbour = ("neigh", "add", other.address, "lladdr", _mac(other), "dev", "eth0")
                    _ip("-n", host.namespace, *neighbour, "nud", "permanent")

    def cut(self, host: Host) -> None:
        """From now on nothing reaches the host or leaves it, and nobody is told: both ends of its cable are up."""
        _ip("-n", self._switch, "link", "set", host.name, "nomaster")

    def mend(self, host: Host) -> None:
        """Undo that."""
        _ip("-n", self._switch, "link", "set", host.name, "master", "switch0")

    def _add(self, host: Host) -> None:
        _ip("netns", "add", host.namespace)
        ends = ("eth0", "netns", host.namespace, "address", _mac(host), "type", "veth")
        _ip("link", "add", *ends, "peer", "name", host.name, "netns", self._switch)
        _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", host.namespace, "link", "set", device, "up")
        _ip("-n", self._switch, "link", "set", host.name, "up", "master", "switch0")


@contextmanager
def network_of(*names: str) -> Iterator[Network]:
    """Hosts for the length of a `with` block; skips the test where there can be none."""
    missing = [tool for tool in _NEEDED if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"hosts of their own need root and {', '.join(_NEEDED)}; missing: {missing or 'root'}")
    remove_those_of_the_dead()
    network = Network(list(names))
    try:
        try:
            network.build()
        except OSError as refused:
            pytest.skip(f"this machine allows no network namespaces: {refused}")
        yield network
    finally:
        _remove(str(os.getpid()))


def _mac(host: Host) -> str:
    return f"02:00:00:00:00:{int(host.address.rpartition('.')[2]):02x}"


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)  # noqa: S607  # wherever it is
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _ours() -> list[str]:
    names = [line.split()[0] for line in _ip("netns", "list").splitlines() if line.strip()]
    return [name for name in names if name.startswith(_PREFIX)]


def remove_those_of_the_dead() -> None:
    """Of earlier runs that were killed: names tell whose they are."""
    for pid in {name.split("-")[1] for name in _ours()}:
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110  # /proc is no path of ours
            _remove(pid)


def _remove(pid: str) -> None:
    """The namespaces of one run, and what still runs in them."""
    for name in _ours():
        if name.startswith(f"{_PREFIX}{pid}-"):
            for left in _ip("netns", "pids", name).split():
                _kill(int(left))
            _ip("netns", "delete", name)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
