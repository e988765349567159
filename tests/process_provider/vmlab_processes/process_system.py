"""What VMLab's agent does to its machine, where that is a process: below a folder, never beyond."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from urllib.parse import unquote

from vmlab_guest.errors import ApplyError
from vmlab_guest.server_request import REQUEST, RUNTIME, STATE, Word, read_request
from vmlab_guest.system import DiskSpace, LinuxSystem, inside
from vmlab_guest.trouble import TROUBLE, write_trouble
from vmlab_protocol.machine import HOME
from vmlab_protocol.messages import ServerTrouble

VOLATILE = ("run", "proc", "sys")
IN_TROUBLE = "TINY_TROUBLE"
"""A seed with this word in its environment asks for a server that does not come up well."""


class ProcessSystem(LinuxSystem):
    """A process that plays a machine: its clock, card and kernel are its host's, so left alone."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.prefix = ""  # under which the server serves; nothing does before the seed
        self._console = folder / "console.log"
        self._writes = threading.Lock()
        self._is_frozen = False
        for name in VOLATILE:
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in ("run", "proc/self", "sys/class/net/eth0/device", "etc", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "proc/self/mountinfo").touch()
        (self.root / "sys/class/net/eth0/type").write_text("1\n")
        (self.root / "sys/class/net/eth0/ifindex").write_text("2\n")
        (self.root / "sys/class/net/eth0/address").write_text("52:54:00:00:00:01\n")
        if inside(self, HOME).is_symlink():
            inside(self, HOME).unlink()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write to the home; waits while it is frozen."""
        with self._writes:
            yield

    # -- what the agent asks for ------------------------------------------------------------------

    def mount(self, device: str, path: str, fs_type: str, options: str) -> None:
        place = inside(self, path)
        place.rmdir()
        place.symlink_to(inside(self, device).read_text())
        with (self.root / "proc/self/mountinfo").open("a") as mounts:
            mounts.write(f"30 22 0:30 / {path} rw - {fs_type} {device} rw\n")

    def freeze(self, path: Path) -> None:
        self._writes.acquire()
        self._is_frozen = True

    def thaw(self, path: Path) -> None:
        if not self._is_frozen:
            raise OSError(errno.EINVAL, "not frozen")
        self._is_frozen = False
        self._writes.release()

    def disk_space(self, path: str) -> DiskSpace:
        return super().disk_space(str(inside(self, path)))

    def ask_zygote(self, word: str, wait_s: float = 0.0) -> None:
        request_file = inside(self, str(REQUEST))
        request = read_request(request_file)
        if word != Word.LAUNCH or request is None:
            raise ApplyError(f"a process has no zygote that could {word}")
        # Taken: the agent would ask for kernels at a machine's own port 8888, which is not ours.
        request_file.unlink()
        inside(self, str(STATE)).parent.mkdir(parents=True, exist_ok=True)
        inside(self, str(STATE)).write_text("running")
        trouble = inside(self, str(TROUBLE))
        trouble.unlink(missing_ok=True)
        if IN_TROUBLE in request.env.values():
            told = ServerTrouble(2, is_plain=True, line="no such folder")
            trouble.write_bytes(write_trouble(told))
        self.prefix = unquote(request.env.get("JUPYTERHUB_SERVICE_PREFIX", "/"))
        inside(self, str(RUNTIME)).mkdir(exist_ok=True)
        (inside(self, str(RUNTIME)) / f"jpserver-{os.getpid()}.json").touch()

    def run(
        self,
        *argv: str,
        stdin: str = "",
        ok: Container[int] = (0,),
        timeout_s: float = 30.0,
    ) -> str:
        if argv[0] != "systemctl":
            raise ApplyError(f"a machine that is a process has no {argv[0]}")
        if "poweroff" in argv:
            os.kill(os.getpid(), signal.SIGTERM)
        return ""  # there are no other services

    def log(self, text: str) -> None:
        self.announce(text)

    def announce(self, text: str) -> None:
        with self._console.open("a") as console:
            console.write(f"vmlab {self.root.parent.name}: {text}\n")

    # -- the host's, so left alone ----------------------------------------------------------------

    def add_randomness(self, data: bytes) -> None: ...

    def set_clock_ns(self, value_ns: int) -> None: ...

    def set_host_name(self, name: str) -> None: ...

    def set_address(
        self, index: int, address: IPv4Interface, gateway: IPv4Address | None
    ) -> None: ...

    def set_route(self, index: int, to: IPv4Network) -> None: ...

    def give(self, path: Path, uid: int) -> None: ...

    def sync(self) -> None: ...
