"""What volumes ask of a provider: work on a volume in use, and what machines take of the disk.

Both are optional protocols of a provider (`vmlab.providers.base`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vmlab.model import DiskPart


@runtime_checkable
class CountsDisk(Protocol):
    """A provider that knows what its machines take of the host's disk; optional."""

    def system_disk_mib(self) -> int:
        """Return the size of the largest system disk that a machine may have; 0: unknown."""
        ...

    async def disk_parts(self) -> list[DiskPart]:
        """Return what all machines take, those included that were set aside.

        What cannot be read counts for nothing; none of it is an error.
        """
        ...

    async def remove_part(self, part: DiskPart) -> None:
        """Remove a machine that was set aside, or an older image's disk; no-op if it is gone.

        Raises:
            HostError: it cannot be removed.
        """
        ...


@runtime_checkable
class LiveVolumes(Protocol):
    """What a provider may be able to do with the volume of a machine that runs.

    Only `vmlab.volumes` calls this, one call a volume at a time; `tests/contract/` has the suite.
    Every call names a machine that runs and was seeded; else, and when the machine has no volume:

    Raises:
        MachineNotFoundError, MachineConflictError: it does not run.
        GuestError: the agent refused, or the machine ended.
        MachineTimeoutError: the agent did not answer in time.
        ProviderError: the engine refused.
    """

    async def snapshot_volume(self, machine: str, snapshot: str) -> None:
        """Take a snapshot of the volume while its file systems are frozen.

        Must leave no snapshot of this name, and no frozen file system, when it raises.
        """
        ...

    async def delete_snapshot(self, machine: str, snapshot: str) -> None:
        """Delete a snapshot of the volume."""
        ...

    async def grow_volume(self, machine: str, size_mib: int) -> None:
        """Make the volume, and the file system on it, larger; no-op when they are."""
        ...

    async def show_snapshot(self, machine: str, snapshot: str) -> None:
        """Mount a snapshot, read-only, in the machine; another one shown goes first."""
        ...

    async def hide_snapshot(self, machine: str) -> None:
        """Take away what `show_snapshot` showed; no-op if nothing is."""
        ...

    async def resume_paused(self, machine: str) -> bool:
        """Let a machine that was paused for want of room go on; tell whether it was paused.

        It runs, or is in the middle of its start.
        """
        ...
