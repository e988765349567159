"""A machine below a temporary folder: keeps the promises of `vmlab_guest.system.System`.

Programs are understood, not recorded: `mount` changes mountinfo, `ip -batch` changes the card's
addresses, `systemctl` the units, so that a second seed meets what the first one made.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vmlab_guest.errors import ApplyError

T = TypeVar("T")


@dataclass
class FakeSystem:
    """One machine. `fail` maps the begin of a command to what it complains about."""

    root: Path
    now_ns: int = 1_700_000_000 * 10**9
    tick_ns: int = 0
    randomness: list[bytes] = field(default_factory=list)
    clock_sets: list[int] = field(default_factory=list)
    host_names: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)  # unit: how often it was started
    fail: dict[str, str] = field(default_factory=dict)
    late: list[Callable[[], None]] = field(default_factory=list)  # what happens while one waits
    syncs: int = 0

    def __post_init__(self) -> None:
        for folder in ("proc/self", "sys/class/net", "etc/skel", "home/trainee", "dev/disk/by-id"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "proc/self/mountinfo").write_text(
            "22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
        )
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\ttemplate\n")
        (self.root / "etc/skel/.bashrc").write_text("# skel\n")

    def add_card(self, name: str, index: int, *, real: bool = True) -> None:
        folder = self.root / "sys/class/net" / name
        folder.mkdir()
        (folder / "type").write_text("1\n")
        (folder / "ifindex").write_text(f"{index}\n")
        if real:
            (folder / "device").mkdir()
        self.addresses.setdefault(name, [])

    def add_disk(self, name: str, serial: str) -> None:
        (self.root / "dev" / name).write_text("")
        (self.root / "dev/disk/by-id" / f"virtio-{serial}").symlink_to(f"../../{name}")

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

    def run(
        self, *argv: str, stdin: str = "", ok: Container[int] = (0,), timeout_s: float = 30.0
    ) -> str:
        command = shlex.join(argv)
        self.commands.append(command)
        for begin, complaint in self.fail.items():
            if command.startswith(begin):
                raise ApplyError(complaint)
        return getattr(self, f"_{argv[0]}")(list(argv[1:]), stdin)

    def wait_for(self, find: Callable[[], T | None], timeout_s: float) -> T | None:
        found = find()
        while found is None and self.late:
            self.late.pop(0)()
            found = find()
        return found

    def give(self, path: Path, uid: int) -> None:
        self.owners[f"/{path.relative_to(self.root)}"] = uid

    def sync(self) -> None:
        self.syncs += 1

    def log(self, text: str) -> None:
        self.logged.append(text)

    def announce(self, text: str) -> None:
        self.logged.append(f"console: {text}")

    def _mount(self, args: list[str], _: str) -> str:
        device, point = args[-2:]
        assert (self.root / point.lstrip("/")).is_dir()
        with (self.root / "proc/self/mountinfo").open("a") as stream:
            stream.write(f"30 22 254:16 / {point} rw shared:9 - {args[1]} {device} rw\n")
        return ""

    def _umount(self, args: list[str], _: str) -> str:
        path = self.root / "proc/self/mountinfo"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if line.split()[4] != args[0]))
        return ""

    def _e2fsck(self, args: list[str], _: str) -> str:
        return ""

    def _ip(self, args: list[str], stdin: str) -> str:
        if "show" in args:
            card = args[-1]
            if card not in self.addresses:
                raise ApplyError(f'Device "{card}" does not exist.')
            return "".join(f"2: {card}    inet {a} scope global\n" for a in self.addresses[card])
        for line in stdin.splitlines():
            words = line.split()
            if words[0] == "addr":
                present = self.addresses[words[-1]]
                if words[1] == "del":
                    present.remove(words[2])
                elif words[2] not in present:
                    present.append(words[2])
        return ""

    def _systemctl(self, args: list[str], _: str) -> str:
        verb, unit = args[0], args[-1]
        if verb == "show":
            return f"ActiveState={'active' if self.units.get(unit) else 'inactive'}\nJob=0\n"
        if verb == "restart" or (verb == "start" and not self.units.get(unit)):
            self.units[unit] = self.units.get(unit, 0) + 1
        return ""
