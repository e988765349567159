"""Room in memory: a start that would not fit is refused, before the host swaps or kills.

What a machine has now says little: a trainee may fill it at any time. So every machine is promised
its limit (`confine.machine_limits`), and the promises are kept when

    sum of what all machines may still grow by + limit of the new one
        <= (MemAvailable - reserve) * overcommit

Machines are counted as the host has them, by the QEMU processes of all labs of root and of this
user, so that nothing needs to be remembered; others may call a process what they like. Only a start
whose QEMU is not there yet needs a note: a locked file in a folder that all labs of a user share.
The lock ends with the process that holds it, however it ends.

Why no page of a template is counted: MemAvailable takes cached pages of files for free, although
clones have a template's mapped. But a page that is needed in the cache is one that some clone has
not written yet, and that clone's growth counts a page of its own for it. Pages of tmpfs, unlike
those of other files, are not in MemAvailable, so a template there is counted twice, on the safe
side. Swap is in neither.
ref: Linux, Documentation/filesystems/proc.rst (MemAvailable), mm/show_mem.c (si_mem_available)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmlab import messages
from vmlab.errors import HostError
from vmlab.providers.qemu.machine.users import MACHINE_UIDS
from vmlab.providers.qemu.process.confine import TRANSLATION_BUFFER_MIB, machine_limits
from vmlab.system.host import RESERVE_MIB
from vmlab.system.locks import flock_within, try_flock, wait_for_flock
from vmlab.system.worker import find_tools_user

_TURN_LIMIT_S = 60.0
_TURN_POLL_S = 0.002
_TURN = "turn"


@dataclass(frozen=True)
class MachineMemory:
    """One machine that runs, or is about to."""

    folder: str  # empty when this user may not know
    limit_mib: int
    private_mib: int = 0  # what it has for itself now, and gives back only by ending

    @property
    def growth_mib(self) -> int:
        """What it may still take."""
        return max(0, self.limit_mib - self.private_mib)


@dataclass(frozen=True)
class MemoryFacts:
    """The host's memory, and who was promised what."""

    available_mib: int  # without swapping, page cache included
    machines: tuple[MachineMemory, ...] = ()

    @property
    def growth_mib(self) -> int:
        """What all machines may still take."""
        return sum(machine.growth_mib for machine in self.machines)

    def room_mib(self, overcommit: float) -> int:
        """Return what can be promised to further machines."""
        return int((self.available_mib - RESERVE_MIB) * overcommit) - self.growth_mib


def check_room(need_mib: int, facts: MemoryFacts, overcommit: float = 1.0) -> None:
    """Refuse a machine of this limit when the promises could not be kept.

    Raises:
        HostError: with the numbers.
    """
    room_mib = facts.room_mib(overcommit)
    if need_mib <= room_mib:
        return
    count = len(facts.machines)
    others = (
        f"{count} machine{'s' if count > 1 else ''} may still grow by {facts.growth_mib} MiB"
        if count
        else "no machine runs"
    )
    promised = f", promised {overcommit:g} times" if overcommit != 1 else ""
    raise HostError(
        f"no room in memory: the machine may take {need_mib} MiB, {max(0, room_mib)} MiB are left "
        f"({facts.available_mib} MiB available, {RESERVE_MIB} MiB of them kept for the host"
        f"{promised}; {others})",
        hint="stop machines that nobody uses, make [machine] memory smaller, or let machines share "
        "memory that they rarely fill: [provider.qemu] overcommit (docs/operator.md)",
        public=messages.NO_PLACE if count else messages.NO_MEMORY,
    )


def read_machines(proc: Path = Path("/proc")) -> list[MachineMemory]:
    """Return the machines of root's labs and of this user's; takes about 10 us a process."""
    found = []
    own = _own_uids()
    for entry in proc.iterdir():
        if entry.name.isdigit():
            # It may end while it is looked at, or be hidden from us.
            with contextlib.suppress(OSError):
                if machine := _read_machine(entry, own):
                    found.append(machine)
    return found


def _own_uids() -> set[int]:
    """Return whose processes may be machines beside the machines' own users."""
    with contextlib.suppress(HostError):  # nothing of a VMLab before 0012 is here
        return {os.geteuid(), find_tools_user().uid}
    return {os.geteuid()}


def _read_machine(process: Path, own: set[int]) -> MachineMemory | None:
    # Its own name comes with the option -name, an instant after the program's. A process chooses
    # name and command line, so they may be no text, and numbers of any length.
    if not (process / "comm").read_bytes().startswith((b"vmlab-", b"qemu-system-")):
        return None
    status = (process / "status").read_text(errors="replace")
    uid = re.search(r"^Uid:\s*(\d+)", status, re.MULTILINE)
    if uid is None or (int(uid[1]) not in own and int(uid[1]) not in MACHINE_UIDS):
        return None  # somebody else's, who may say so to leave no memory to others
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    private = re.search(r"^RssAnon:\s*(\d+) kB", status, re.MULTILINE)
    limit_mib = read_limit_mib(words)
    if limit_mib is None or not private:
        return None  # somebody else's, or about to be gone
    try:
        folder = str((process / "cwd").readlink())
    except PermissionError:
        folder = ""
    return MachineMemory(folder, limit_mib, int(private[1]) // 1024)


def read_limit_mib(words: Sequence[str]) -> int | None:
    """Return what the machine with this command line may take: what its launch was planned with.

    None: it is not a machine's command line.
    """
    memory = re.fullmatch(r"([0-9]{1,9})M", _value(words, "-m"))
    if "process=vmlab-" not in _value(words, "-name") or not memory:
        return None
    buffer = re.search(r"tb-size=([0-9]{1,9})\b", _value(words, "-accel"))
    translation_mib = int(buffer[1]) if buffer else TRANSLATION_BUFFER_MIB
    return machine_limits(int(memory[1]), 1, translation_mib).memory_mib


def _value(words: Sequence[str], option: str) -> str:
    return words[words.index(option) + 1] if option in words[:-1] else ""


def read_available_mib(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what can be taken without swapping, by the host's memory or its container's limit."""
    words = dict(line.split(":") for line in (proc / "meminfo").read_text().splitlines())
    available_mib = int(words["MemAvailable"].split()[0]) // 1024
    for limit, usage, folder in (
        ("memory.max", "memory.current", cgroups),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", cgroups / "memory"),
    ):
        with contextlib.suppress(FileNotFoundError):
            most = (folder / limit).read_text().strip()
            if most != "max":
                taken = int((folder / usage).read_text()) - _cached_bytes(folder)
                available_mib = min(available_mib, (int(most) - taken) // 2**20)
    return available_mib


def _cached_bytes(cgroup: Path) -> int:
    """Return what a cgroup has of page cache, which goes when its memory is wanted."""
    lines = (line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    numbers = {name: int(number) for name, number in lines}
    # Version 1 counts a group's own pages there, and its children's with them under these names.
    prefix = "total_" if "total_active_file" in numbers else ""
    return numbers[f"{prefix}active_file"] + numbers[f"{prefix}inactive_file"]


class Memory:
    """Promises of this host's memory to machines.

    Args:
        notes: folder of the notes on starts under way; shared by all labs of a user.
        overcommit: how many times the memory is promised; 1 is safe whatever trainees do.
    """

    def __init__(self, notes: Path, overcommit: float = 1.0, proc: Path = Path("/proc")) -> None:
        self._notes = notes
        self._overcommit = overcommit
        self._proc = proc

    async def check(self, need_mib: int) -> None:
        """Refuse a machine that may take this much when there is no room now.

        Raises:
            HostError: there is none; tells the numbers.
        """
        check_room(need_mib, await self.facts(), self._overcommit)

    @contextlib.asynccontextmanager
    async def reserve(self, folder: Path, need_mib: int) -> AsyncGenerator[None]:
        """Promise a machine its memory, until its process is there and speaks for itself.

        Of starts at the same moment, in whatever process, exactly as many get room as there is.

        Args:
            folder: the machine's, as an absolute path.
            need_mib: most that all of it may take (`plan.LaunchPlan.limits`).

        Raises:
            HostError: as `check`.
        """
        with contextlib.ExitStack() as note:
            async with self._turn():
                check_room(need_mib, await self.facts(), self._overcommit)
                note.enter_context(_write_note(self._notes, MachineMemory(str(folder), need_mib)))
            yield

    async def facts(self) -> MemoryFacts:
        """Return the host's memory with all machines that run or are being started."""
        return await asyncio.to_thread(self._read_facts)

    def _read_facts(self) -> MemoryFacts:
        noted = _read_notes(self._notes)
        # After the notes: a start that has just ended is then counted twice rather than never.
        running = read_machines(self._proc)
        there = {machine.folder for machine in running}
        launching = [machine for machine in noted if machine.folder not in there]
        return MemoryFacts(read_available_mib(self._proc), (*running, *launching))

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Let one start a time look and write its note."""
        self._notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._notes / _TURN).open("ab") as file:
            try:
                await flock_within(file.fileno(), _TURN_LIMIT_S, poll_s=_TURN_POLL_S)
            except TimeoutError as error:
                raise HostError(
                    f"{file.name} was locked for {_TURN_LIMIT_S:.0f} s",
                    hint="another vmlab hangs while it starts a machine; stop it",
                ) from error
            yield


@contextlib.contextmanager
def _write_note(notes: Path, machine: MachineMemory) -> Iterator[None]:
    path = notes / f"{secrets.token_hex(8)}.json"
    partial = path.with_suffix(".partial")
    with partial.open("xb", buffering=0) as file:
        try:
            wait_for_flock(file.fileno())  # new, so nobody has it
            file.write(json.dumps([machine.folder, machine.limit_mib]).encode())
            partial.rename(path)  # from its first moment on it is locked and whole
            yield
        finally:
            partial.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _read_notes(notes: Path) -> list[MachineMemory]:
    found = []
    for path in notes.glob("*.json"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if try_flock(file.fileno(), shared=True):
                path.unlink()  # who wrote it is gone
            else:
                folder, limit_mib = json.loads(file.read())
                found.append(MachineMemory(folder, limit_mib))
    return found
