"""What a machine and a volume are on disk.

STATE/processes/NAME/      machine.json, process.json, seeded, ended, trouble, console.log,
                           agent.sock, ssh.sock, identity.json, access_key; and root/, its disk
STATE/process-aside/NAME-NUMBER/
STATE/process-homes/VOLUME/    and VOLUME.holder beside it
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired, run

import psutil

from vmlab.errors import MachineConflictError, ProviderError
from vmlab.providers.agent.identity import keep_identity
from vmlab.seed import Identity

VOLUME = "dev/home"
"""Below a machine's root; says which folder is plugged in as its home."""


LAUNCH_LIMIT_S = 60
STOP_LIMIT_S = 30
GRACE_S = 5
KEPT_ASIDE = 3


@dataclass(frozen=True)
class Record:
    """Who has the machine; written before anything else of it is made."""

    owner: str
    image: str
    volume: str = ""


@dataclass(frozen=True)
class Process:
    """The process that plays the machine."""

    pid: int
    port: int
    since: float


@dataclass(frozen=True)
class Folder:
    """One machine's folder."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def seeded(self) -> Path:
        return self.path / "seeded"

    @property
    def ended(self) -> Path:
        return self.path / "ended"

    @property
    def trouble(self) -> Path:
        """Why its server does not come up."""
        return self.path / "trouble"

    @property
    def agent(self) -> Path:
        """Where its agent's words come out."""
        return self.path / "agent.sock"

    @property
    def ssh(self) -> Path:
        """Where its sshd answers."""
        return self.path / "ssh.sock"

    def identity(self) -> Identity:
        return keep_identity(self.name, self.path / "identity.json", self.path / "access_key")

    def plug_in(self, home: Path) -> None:
        """Let the machine find this folder as the disk of its home."""
        disk = self.path / "root" / VOLUME
        disk.parent.mkdir(parents=True, exist_ok=True)
        disk.write_text(str(home))

    def note_trouble(self, problem: str) -> None:
        """Keep it for the status; empty: all is well. No-op if there is no machine."""
        if problem and self.path.is_dir():
            self.trouble.write_text(problem)
        else:
            self.trouble.unlink(missing_ok=True)

    def record(self) -> Record | None:
        try:
            return Record(**json.loads((self.path / "machine.json").read_text()))
        except FileNotFoundError:
            return None

    def write_record(self, record: Record) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.path / "machine.part"
        part.write_text(json.dumps(asdict(record)))
        part.rename(self.path / "machine.json")

    def process(self) -> Process | None:
        """Return the process, if it runs: numbers are used again, command lines tell."""
        try:
            found = Process(**json.loads((self.path / "process.json").read_text()))
            words = psutil.Process(found.pid).cmdline()
        except (FileNotFoundError, psutil.Error):
            return None
        return found if str(self.path) in words else None

    def require_wanted(self) -> None:
        """Raise MachineConflictError when somebody ended the machine since its start began."""
        if self.ended.exists():
            raise MachineConflictError(self.name, "it was switched off while it was starting")
        if not (self.path / "machine.json").exists():
            raise MachineConflictError(self.name, "it was deleted while it was starting")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Launch and stop one after the other, whichever process does it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (self.path.parent / f".{self.name}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    def launch(self, boot_s: float) -> Process:
        """Start the process unless it runs."""
        with self.turn():
            self.require_wanted()
            if found := self.process():
                return found
            self.seeded.unlink(missing_ok=True)
            words = [sys.executable, "-m", "vmlab_processes.machine", str(self.path), str(boot_s)]
            try:
                run(words, check=True, timeout=LAUNCH_LIMIT_S)
            except (CalledProcessError, TimeoutExpired) as error:
                raise ProviderError(self.name, f"its process did not start: {error}") from error
            found = self.process()
            if found is None:
                raise ProviderError(self.name, "its process ended at once")
            return found

    def stop(self, *, now: bool) -> None:
        """End the process and tell whoever starts the machine; no-op if there is no machine."""
        if not self.path.is_dir():
            return
        self.ended.touch()
        with self.turn():
            if found := self.process():
                self._end(found.pid, signal.SIGKILL if now else signal.SIGTERM)
            for name in ("seeded", "process.json", "agent.sock", "ssh.sock"):
                (self.path / name).unlink(missing_ok=True)

    def _end(self, pid: int, how: signal.Signals) -> None:
        deadline = time.monotonic() + STOP_LIMIT_S
        kill_at = time.monotonic() + GRACE_S
        with suppress(ProcessLookupError):
            os.kill(pid, how)
            while self.process() is not None:
                if time.monotonic() > deadline:
                    raise ProviderError(self.name, f"process {pid} does not end")
                if time.monotonic() > kill_at:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)

    def keep_in(self, aside: Path) -> str:
        """Move the machine there; return its name there, or nothing if there is no machine."""
        if self.record() is None:
            return ""
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = aside / f"{self.name}-{time.time_ns()}"
        self.path.rename(kept)
        own = [old for old in aside.iterdir() if old.name.rpartition("-")[0] == self.name]
        for old in sorted(own)[:-KEPT_ASIDE]:
            shutil.rmtree(old)
        return kept.name


def hold_volume(homes: Path, volume: str, folder: Folder) -> Path:
    """Give a machine a volume, making it if needed; a machine that does not run gives it up."""
    home = homes / volume
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    holder = homes / f"{volume}.holder"
    with (homes / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        held_by = holder.read_text() if holder.exists() else ""
        other = Folder(folder.path.parent / held_by) if held_by not in {"", folder.name} else None
        if other and other.process():
            raise MachineConflictError(folder.name, f"its volume is attached to {held_by}")
        holder.write_text(folder.name)
    return home


def let_volume_go(homes: Path, volume: str, machine: str) -> None:
    """Take a volume from a machine that has ended; no-op if another one has it."""
    holder = homes / f"{volume}.holder"
    if holder.exists() and holder.read_text() == machine:
        holder.unlink(missing_ok=True)
