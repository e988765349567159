"""Writes that a trainee's machine acknowledged, recorded outside of it.

A shell in the machine appends numbered lines to a file in the home, each followed by fsync, and
only then says the number; SSH carries it into a file of this process. So a number in that file was
promised to be on the disk, whatever was killed when.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from vm.desk import Desk
from vmlab.errors import HostError, MachineNotFoundError

FILE = "journal"

# coreutils' `sync FILE` is fsync(2).
_SCRIPT = """\
n={first}
while printf '{owner} %d\\n' $n >>~/{file} && sync ~/{file} && echo $n; do
    n=$((n + 1)); sleep 0.1
done
"""

_PER_WRITER = 1_000_000


@dataclass
class Journal:
    """One trainee's journal."""

    desk: Desk
    folder: Path  # of the records
    restored: int = 0  # the writer from which on nothing was taken back by a restore
    _writers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin to write, until the machine or the connection ends.

        No-op while it writes, and while there is no machine to write in.
        """
        if self.writes:
            return
        script = _SCRIPT.format(
            first=len(self._writers) * _PER_WRITER, owner=self.desk.user, file=FILE
        )
        try:
            ssh = self.desk.provider.ssh_command(self.desk.machine)
        except (MachineNotFoundError, HostError):
            return  # it was killed, which the hub has not seen yet; or the host's disk is full
        alive = ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=12"]
        with self._record(len(self._writers)).open("xb") as record:
            writer = subprocess.Popen(
                [*ssh[:-1], *alive, ssh[-1], script],
                stdin=subprocess.DEVNULL,
                stdout=record,
                stderr=subprocess.DEVNULL,
            )
        self._writers.append(writer)

    @property
    def writes(self) -> bool:
        """Whether a writer is connected."""
        return bool(self._writers) and self._writers[-1].poll() is None

    def end(self) -> None:
        """End the writer; no-op if none writes."""
        for writer in self._writers[-1:]:
            writer.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(10)

    def was_restored(self) -> None:
        """Note that what was acknowledged so far may be in a kept snapshot only."""
        self.restored = len(self._writers)

    def acknowledged(self, *, since_restore: bool = False) -> set[int]:
        """Return the numbers that were promised to be on the disk."""
        first = self.restored if since_restore else 0
        found: set[int] = set()
        for number in range(first, len(self._writers)):
            text = self._record(number).read_text()
            # A number that was cut off in the middle was not said.
            found.update(int(line) for line in text.rpartition("\n")[0].split())
        return found

    def _record(self, number: int) -> Path:
        return self.folder / f"acknowledged-{self.desk.user}-{number}.txt"


@dataclass(frozen=True)
class Content:
    """What a copy of a journal holds."""

    numbers: frozenset[int]
    foreign: tuple[str, ...]  # lines that its owner never wrote


def parse_journal(text: str, owner: str) -> Content:
    """Return the numbers in a journal and whatever else is in it."""
    numbers: set[int] = set()
    foreign: list[str] = []
    for line in text.splitlines():
        if match := re.fullmatch(rf"{re.escape(owner)} (\d+)", line):
            numbers.add(int(match[1]))
        elif line.strip("\0"):
            foreign.append(line)
    return Content(frozenset(numbers), tuple(foreign))
