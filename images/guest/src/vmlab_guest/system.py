"""What the agent does to the operating system, behind one small protocol.

`System` is the seam: `LinuxSystem` acts on the machine, and tests run the whole sequence with a
fake that keeps the same promises below a temporary root folder. All paths handed to a `System`
method are real ones, that is, already below `root`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Protocol, TypeVar

from vmlab_guest.errors import ApplyError
from vmlab_guest.server_request import CONTROL
from vmlab_guest.threads import attempt

TRAINEE = "trainee"
RUN = "run/vmlab"
COURSES = "var/lib/vmlab/courses"

# ref: linux/random.h; both need CAP_SYS_ADMIN
_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207
# ref: linux/fs.h
_FIFREEZE = 0xC0045877
_FITHAW = 0xC0045878
POLL_S = 0.02
_EVERYWHERE = IPv4Network("0.0.0.0/0")
_LOOPBACK = 1  # the index of `lo` in every network namespace
_WORD_S = 5.0
_ANSWER_BYTES = 4096

T = TypeVar("T")


@dataclass(frozen=True)
class DiskSpace:
    """A file system's size, and what of it the trainee can still use."""

    total_bytes: int
    free_bytes: int


class System(Protocol):
    """The machine under the agent."""

    @property
    def root(self) -> Path:
        """Where the machine's file system begins: `/`, or a folder in tests."""
        ...

    def add_randomness(self, data: bytes) -> None:
        """Credit `data` to the kernel's generator and reseed it at once."""
        ...

    def clock_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch."""
        ...

    def set_clock_ns(self, value_ns: int) -> None:
        """Set the wall clock."""
        ...

    def monotonic_ns(self) -> int:
        """A clock that nobody sets."""
        ...

    def set_host_name(self, name: str) -> None:
        """Set the kernel's host name."""
        ...

    def set_address(self, index: int, address: IPv4Interface, gateway: IPv4Address | None) -> None:
        """Switch the network card on, with this address only; with the default route, if any.

        Raises:
            OSError: the kernel refused.
        """
        ...

    def set_route(self, index: int, to: IPv4Network) -> None:
        """Have receivers in this network looked for at the card.

        Raises:
            OSError: the kernel refused.
        """
        ...

    def mount(self, device: str, path: str, fs_type: str, options: str) -> None:
        """Mount a file system; `options` as after `mount -o`.

        Raises:
            ApplyError, OSError: it cannot be mounted.
        """
        ...

    def bind(self, source: Path, target: Path) -> None:
        """Lay one file over another.

        Raises:
            OSError: the kernel refused.
        """
        ...

    def unmount(self, path: Path, *, lazy: bool = False) -> None:
        """Take off what is mounted over `path`; `lazy`: also while somebody is in there.

        Raises:
            OSError: the kernel refused.
        """
        ...

    def freeze(self, path: Path) -> None:
        """Flush the file system that is mounted at `path`, and halt writes to it.

        Raises:
            OSError: the kernel refused.
        """
        ...

    def thaw(self, path: Path) -> None:
        """Let writes go on.

        Raises:
            OSError: the kernel refused; EINVAL when they were not halted.
        """
        ...

    def ask_zygote(self, word: str, wait_s: float = 0.0) -> None:
        """Say a word (`server_request.Word`) to the zygote; wait for its "ok" unless `wait_s` is 0.

        Raises:
            ApplyError: there is no zygote, or it did not answer "ok" in time.
        """
        ...

    def signal(self, pid: int, number: int) -> None:
        """Send a signal; no-op when there is no such process any more."""
        ...

    def in_background(self, work: Callable[[], None]) -> None:
        """Do something in a thread of its own; it must not fail."""
        ...

    def after(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        """Do something later, in a thread of its own; return what calls it off."""
        ...

    def run(
        self,
        *argv: str,
        stdin: str = "",
        ok: Container[int] = (0,),
        timeout_s: float = 30.0,
    ) -> str:
        """Run a program and return what it printed.

        Raises:
            ApplyError: it is missing, took too long or ended with a code outside `ok`; the message
                holds the command and the end of what it said, so neither may hold a secret.
        """
        ...

    def wait_for(
        self, find: Callable[[], T | None], timeout_s: float, pause_s: float = POLL_S
    ) -> T | None:
        """Return what `find` finds, asking again after each pause until time is over; then None."""
        ...

    def give(self, path: Path, uid: int) -> None:
        """Make `path` (never what a link points to) belong to user and group `uid`."""
        ...

    def owner(self, path: Path) -> int:
        """Return the user whom `path` (never what a link points to) belongs to.

        Raises:
            OSError: there is no such path.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Return after so long."""
        ...

    def disk_space(self, path: str) -> DiskSpace:
        """Return how much room there is for the trainee in the file system at `path`.

        Raises:
            OSError: it cannot be asked.
        """
        ...

    def sync(self) -> None:
        """Flush all file systems on disks of this machine; never waits for a file server."""
        ...

    def log(self, text: str) -> None:
        """Write a line to the journal."""
        ...

    def announce(self, text: str) -> None:
        """Write a line to the journal and to the machine's console."""
        ...


class LinuxSystem:
    """The real machine."""

    root = Path("/")

    def add_randomness(self, data: bytes) -> None:
        """See `System`."""
        pool = struct.pack("ii", len(data) * 8, len(data)) + data
        with Path("/dev/urandom").open("wb", buffering=0) as device:
            fcntl.ioctl(device, _RNDADDENTROPY, pool)
            fcntl.ioctl(device, _RNDRESEEDCRNG)

    def clock_ns(self) -> int:
        """See `System`."""
        return time.time_ns()

    def set_clock_ns(self, value_ns: int) -> None:
        """See `System`."""
        time.clock_settime_ns(time.CLOCK_REALTIME, value_ns)

    def monotonic_ns(self) -> int:
        """See `System`."""
        return time.monotonic_ns()

    def set_host_name(self, name: str) -> None:
        """See `System`."""
        socket.sethostname(name)

    def set_address(self, index: int, address: IPv4Interface, gateway: IPv4Address | None) -> None:
        """See `System`."""
        from vmlab_guest.rtnetlink import Rtnetlink  # noqa: PLC0415 - not before the first word

        with Rtnetlink() as kernel:
            kernel.set_up(_LOOPBACK)
            for old in kernel.list_addresses(index):
                if old != address:
                    kernel.delete_address(index, old)
            kernel.add_address(index, address)
            kernel.set_up(index)
            if gateway:
                kernel.set_route(index, _EVERYWHERE, gateway)

    def set_route(self, index: int, to: IPv4Network) -> None:
        """See `System`."""
        from vmlab_guest.rtnetlink import Rtnetlink  # noqa: PLC0415 - not before the first word

        with Rtnetlink() as kernel:
            kernel.set_route(index, to)

    def mount(self, device: str, path: str, fs_type: str, options: str) -> None:
        """See `System`."""
        if Path(f"/sbin/mount.{fs_type}").exists():  # NFS and the like do more than one call
            self.run("mount", "-t", fs_type, *(["-o", options] if options else []), device, path)
            return
        from vmlab_guest import libc  # noqa: PLC0415 - not before the first word

        libc.mount(device, Path(path), fs_type, *libc.parse_options(options))

    def bind(self, source: Path, target: Path) -> None:
        """See `System`."""
        from vmlab_guest import libc  # noqa: PLC0415 - not before the first word

        libc.mount(str(source), target, flags=libc.MS_BIND)

    def unmount(self, path: Path, *, lazy: bool = False) -> None:
        """See `System`."""
        from vmlab_guest import libc  # noqa: PLC0415 - not before the first word

        libc.unmount(path, libc.MNT_DETACH if lazy else 0)

    def freeze(self, path: Path) -> None:
        """See `System`."""
        _control(path, _FIFREEZE)

    def thaw(self, path: Path) -> None:
        """See `System`."""
        _control(path, _FITHAW)

    def ask_zygote(self, word: str, wait_s: float = 0.0) -> None:
        """See `System`."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(wait_s or _WORD_S)
                connection.connect(str(CONTROL))
                connection.send(word.encode())
                if not wait_s:
                    _hurry(connection)
                    return
                answer = connection.recv(_ANSWER_BYTES).decode(errors="replace")
        except OSError as error:
            raise ApplyError(f"the zygote cannot be asked to {word}: {error}") from error
        if answer != "ok":
            raise ApplyError(f"the zygote: {answer or 'it ended'}")

    def signal(self, pid: int, number: int) -> None:
        """See `System`."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def in_background(self, work: Callable[[], None]) -> None:
        """See `System`."""
        threading.Thread(target=attempt, args=(self.log, "later", work), daemon=True).start()

    def after(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        """See `System`."""
        timer = threading.Timer(seconds, attempt, args=(self.log, "later", work))
        timer.daemon = True
        timer.start()
        return timer.cancel

    def run(
        self,
        *argv: str,
        stdin: str = "",
        ok: Container[int] = (0,),
        timeout_s: float = 30.0,
    ) -> str:
        """See `System`."""
        import subprocess  # noqa: PLC0415 - not before the agent's first word

        try:
            done = subprocess.run(
                argv,
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ApplyError(f"`{' '.join(argv)}` took longer than {timeout_s:g} s") from error
        except OSError as error:
            raise ApplyError(f"`{' '.join(argv)}` cannot be run: {error}") from error
        if done.returncode not in ok:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise ApplyError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
        return done.stdout

    def wait_for(
        self, find: Callable[[], T | None], timeout_s: float, pause_s: float = POLL_S
    ) -> T | None:
        """See `System`."""
        end = time.monotonic() + timeout_s
        while True:
            found = find()
            if found is not None or time.monotonic() >= end:
                return found
            time.sleep(pause_s)

    def pause(self, seconds: float) -> None:
        """See `System`."""
        time.sleep(seconds)

    def disk_space(self, path: str) -> DiskSpace:
        """See `System`."""
        place = os.statvfs(path)
        return DiskSpace(place.f_blocks * place.f_frsize, place.f_bavail * place.f_frsize)

    def give(self, path: Path, uid: int) -> None:
        """See `System`."""
        os.chown(path, uid, uid, follow_symlinks=False)

    def owner(self, path: Path) -> int:
        """See `System`."""
        return path.lstat().st_uid

    def sync(self) -> None:
        """See `System`."""
        from vmlab_guest import libc  # noqa: PLC0415 - not before the first word

        for place in find_disk_mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8")):
            with contextlib.suppress(OSError):  # as sync(2): whatever can be flushed is
                libc.sync_file_system(Path(place))

    def log(self, text: str) -> None:
        """See `System`."""
        _write(2, f"{text}\n")

    def announce(self, text: str) -> None:
        """See `System`."""
        self.log(text)
        try:
            # Non-blocking: a console that nobody reads must not stop us.
            fd = os.open("/dev/console", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return  # a machine without a console
        try:
            _write(fd, f"vmlab: {text}\r\n")
        finally:
            os.close(fd)


def _hurry(connection: socket.socket) -> None:
    """Give the zygote the processor it did without while nobody waited."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid = struct.unpack("=iII", credentials)[0]
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, 0)


def _control(path: Path, request: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, 0)
    finally:
        os.close(fd)


def _write(fd: int, text: str) -> None:
    """Write what the descriptor takes; a full log or console must never stop a machine."""
    with contextlib.suppress(OSError):
        os.write(fd, text.encode(errors="replace"))


def find_disk_mounts(mountinfo: str) -> list[str]:
    """Return where disks are mounted, each once, by the text of /proc/self/mountinfo."""
    places: dict[str, str] = {}
    for line in mountinfo.splitlines():
        fields = line.split()
        if "-" in fields:
            source = fields[fields.index("-") + 2]
            if source.startswith("/dev/"):
                places.setdefault(source, fields[4].encode().decode("unicode_escape"))
    return list(places.values())


def inside(system: System, path: str) -> Path:
    """Return the real place of an absolute path of the machine."""
    return system.root / path.lstrip("/")
