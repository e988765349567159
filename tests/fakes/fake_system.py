"""A machine below a temporary folder: keeps the promises of `vmlab_guest.system.System`.

Calls are understood, not recorded: a mount changes mountinfo, an address the card's addresses,
`systemctl` the units, a word the zygote's server, so that a second seed meets what the first made.
"""

from __future__ import annotations

import errno
import shlex
import signal
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from vmlab_guest.errors import ApplyError
from vmlab_guest.server_request import REQUEST, ServerRequest, read_request
from vmlab_guest.system import DiskSpace

T = TypeVar("T")


@dataclass
class FakeSystem:
    """One machine. `fail` maps the begin of a command or call to what it complains about."""

    root: Path
    now_ns: int = 1_700_000_000 * 10**9
    tick_ns: int = 0
    randomness: list[bytes] = field(default_factory=list)
    clock_sets: list[int] = field(default_factory=list)
    host_names: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)
    addresses: dict[int, list[str]] = field(default_factory=dict)  # by the card's index
    gateways: dict[int, str] = field(default_factory=dict)
    # Those that the zygote was told to run.
    servers: list[ServerRequest] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    boot_state: str = "running"
    units: dict[str, int] = field(default_factory=dict)  # unit: how often it was started
    fail: dict[str, str] = field(default_factory=dict)
    late: list[Callable[[], None]] = field(default_factory=list)  # what happens while one waits
    syncs: int = 0
    frozen: set[str] = field(default_factory=set)  # file systems, by where they are mounted
    while_freezing: Callable[[], None] | None = None
    clocks: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    while_pausing: list[Callable[[], None]] = field(default_factory=list)
    disk_spaces: dict[str, DiskSpace] = field(default_factory=dict)
    stat_f: str = "4096 1000 900"  # what stat says of any file system
    said: dict[str, str] = field(default_factory=dict)  # what programs write, by their names
    inputs: list[str] = field(default_factory=list)  # what programs were given to read
    udev_pid: int = 212
    halted: set[int] = field(default_factory=set)  # processes that were sent SIGSTOP

    def __post_init__(self) -> None:
        for folder in (
            "proc/self",
            "sys/class/net",
            "etc/skel",
            "home/trainee",
            "sys/block",
            "proc/sys/kernel/random",
            "dev",
        ):
            (self.root / folder).mkdir(parents=True)
        (self.root / "proc/self/mountinfo").write_text(
            "22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
        )
        (self.root / "proc/sys/kernel/random/uuid").write_text(f"{uuid4()}\n")
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\ttemplate\n")
        (self.root / "etc/skel/.bashrc").write_text("# skel\n")

    def add_card(
        self, name: str, index: int, *, real: bool = True, mac: str = "52:54:00:00:00:01"
    ) -> None:
        folder = self.root / "sys/class/net" / name
        folder.mkdir()
        (folder / "type").write_text("1\n")
        (folder / "ifindex").write_text(f"{index}\n")
        (folder / "address").write_text(f"{mac}\n")
        switches = self.root / "proc/sys/net/ipv6/conf" / name
        switches.mkdir(parents=True)
        (switches / "disable_ipv6").write_text("0\n")
        if real:
            (folder / "device").mkdir()
        self.addresses.setdefault(index, [])

    def add_disk(self, name: str, serial: str, superblock: bytes = b"") -> None:
        (self.root / "dev" / name).write_bytes(bytes(1024) + superblock)
        disk = self.root / "sys/block" / name
        disk.mkdir()
        (disk / "serial").write_text(serial)

    def start_zygote(self) -> None:
        """As systemd does at boot; without it the zygote cannot be asked."""
        (self.root / "run/vmlab/zygote").mkdir(parents=True, exist_ok=True)
        (self.root / "run/vmlab/zygote/control").write_text("")
        self._tell("stopped")

    def _tell(self, state: str) -> None:
        (self.root / "run/vmlab/zygote/state").write_text(state)

    def add_randomness(self, data: bytes) -> None:
        self.randomness.append(data)

    def clock_ns(self) -> int:
        return self.now_ns

    def set_clock_ns(self, value_ns: int) -> None:
        self.clock_sets.append(value_ns)
        self.now_ns = value_ns

    def monotonic_ns(self) -> int:
        return self.tick_ns

    def set_host_name(self, name: str) -> None:
        self.host_names.append(name)

    def set_address(self, index: int, address: IPv4Interface, gateway: IPv4Address | None) -> None:
        self._do(f"address {index}")
        self.addresses[index] = [str(address)]
        if gateway:
            self.gateways[index] = str(gateway)

    def set_route(self, index: int, to: IPv4Network) -> None:
        self._do(f"route {index} {to}")

    def mount(self, device: str, path: str, fs_type: str, options: str) -> None:
        self._do(f"mount -t {fs_type} -o {options} {device} {path}")
        assert (self.root / path.lstrip("/")).is_dir()
        self._add_mount(path, f"{fs_type} {device}")

    def bind(self, source: Path, target: Path) -> None:
        self._do(f"bind {self._inner(source)} {self._inner(target)}")
        self._add_mount(self._inner(target), "tmpfs tmpfs")

    def freeze(self, path: Path) -> None:
        self._do(f"freeze {self._inner(path)}")
        if self.while_freezing:
            self.while_freezing()
        self.frozen.add(self._inner(path))

    def thaw(self, path: Path) -> None:
        self._do(f"thaw {self._inner(path)}")
        if self._inner(path) not in self.frozen:
            raise OSError(errno.EINVAL, "not frozen")
        self.frozen.discard(self._inner(path))

    def after(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        self.clocks.append((seconds, work))
        return lambda: self.clocks.remove((seconds, work))

    def unmount(self, path: Path, *, lazy: bool = False) -> None:
        self._do(f"umount {self._inner(path)}")
        self._forget_mount(self._inner(path))

    def _forget_mount(self, path: str) -> None:
        mountinfo = self.root / "proc/self/mountinfo"
        lines = mountinfo.read_text().splitlines(keepends=True)
        mountinfo.write_text("".join(x for x in lines if x.split()[4] != path))

    def ask_zygote(self, word: str, wait_s: float = 0.0) -> None:
        if not (self.root / "run/vmlab/zygote/control").exists():
            raise ApplyError("there is no zygote")
        self._do(f"zygote {word}")
        self.words.append(word)
        request = read_request(self.root / str(REQUEST).lstrip("/"))
        if word == "launch" and request is not None and request not in self.servers[-1:]:
            self.servers.append(request)
            self._tell("running")

    def signal(self, pid: int, number: int) -> None:
        if number == signal.SIGSTOP:
            self.halted.add(pid)
        elif number == signal.SIGCONT:
            self.halted.discard(pid)

    def in_background(self, work: Callable[[], None]) -> None:
        work()

    def run(
        self, *argv: str, stdin: str = "", ok: Container[int] = (0,), timeout_s: float = 30.0
    ) -> str:
        self.inputs += [stdin] if stdin else []
        self._do(shlex.join(argv))
        return getattr(self, f"_{argv[0]}")(list(argv[1:]))

    def _do(self, command: str) -> None:
        self.commands.append(command)
        for begin, complaint in self.fail.items():
            if command.startswith(begin):
                raise ApplyError(complaint)

    def _inner(self, path: Path) -> str:
        return f"/{path.relative_to(self.root)}"

    def _add_mount(self, path: str, what: str) -> None:
        with (self.root / "proc/self/mountinfo").open("a") as stream:
            stream.write(f"30 22 254:16 / {path} rw shared:9 - {what} rw\n")

    def wait_for(
        self, find: Callable[[], T | None], timeout_s: float, pause_s: float = 0.0
    ) -> T | None:
        found = find()
        while found is None and self.late:
            self.late.pop(0)()
            found = find()
        return found

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.while_pausing:
            self.while_pausing.pop(0)()

    def disk_space(self, path: str) -> DiskSpace:
        return self.disk_spaces.get(path, DiskSpace(2**30, 2**29))

    def give(self, path: Path, uid: int) -> None:
        self.owners[self._inner(path)] = uid

    def owner(self, path: Path) -> int:
        path.lstat()
        return self.owners.get(self._inner(path), 0)

    def sync(self) -> None:
        self.syncs += 1

    def log(self, text: str) -> None:
        self.logged.append(text)

    def announce(self, text: str) -> None:
        self.logged.append(f"console: {text}")

    def _e2fsck(self, args: list[str]) -> str:
        return ""

    def _udevadm(self, args: list[str]) -> str:
        return ""

    def _resize2fs(self, args: list[str]) -> str:
        return ""

    def _tune2fs(self, args: list[str]) -> str:
        return ""

    def _chattr(self, args: list[str]) -> str:
        return ""

    def _setquota(self, args: list[str]) -> str:
        return ""

    def _exportfs(self, args: list[str]) -> str:
        return ""

    def _stat(self, args: list[str]) -> str:
        return f"{self.stat_f}\n"

    def _umount(self, args: list[str]) -> str:
        self._forget_mount(args[-1])
        return ""

    def _sync(self, args: list[str]) -> str:
        return ""

    def _setpriv(self, args: list[str]) -> str:
        return self.said.get("setpriv", "")

    def _mount(self, args: list[str]) -> str:
        assert args[0] == "--bind"
        self._add_mount(args[2], f"ext4 {args[1]}")
        return ""

    def _modprobe(self, args: list[str]) -> str:
        return ""

    def _systemctl(self, args: list[str]) -> str:
        verb, *names = args
        if verb == "is-system-running":
            return f"{self.boot_state}\n"
        if verb == "show" and "MainPID" in names:
            return f"{self.udev_pid}\n"
        if verb == "show":
            return f"ActiveState={'active' if self.units.get(names[-1]) else 'inactive'}\nJob=0\n"
        for unit in names:
            if not unit.startswith("-") and (verb == "restart" or not self.units.get(unit)):
                self.units[unit] = self.units.get(unit, 0) + 1
        return ""
