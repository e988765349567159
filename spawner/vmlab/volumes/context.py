"""What all operations on volumes share: the files, the registry, and the machines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import Volumes, open_database
from vmlab.database.volumes import held_error
from vmlab.errors import HostError, VolumeConflictError, VolumeNotFoundError
from vmlab.model import Allowance, MachineStatus, Volume, VolumeState
from vmlab.paths import Paths
from vmlab.system.worker import WorkerUser, find_tools_user
from vmlab.volumes.copies import Copies
from vmlab.volumes.disk_image import DiskImage
from vmlab.volumes.live import LiveVolumes
from vmlab.volumes.locks import hold_volume
from vmlab.volumes.model import own_name

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Machines(Protocol):
    """What volumes need to know of machines: every provider."""

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        """Tell the state of these machines, or of all."""
        ...


@dataclass(frozen=True)
class VolumeContext:
    """Where volumes are and who may have them."""

    paths: Paths
    machines: Machines
    find_user: Callable[[], WorkerUser] = find_tools_user
    clock: Callable[[], float] = time.time
    allowance: Allowance = field(default_factory=Allowance)
    copies: Copies = field(default_factory=Copies, compare=False)

    @property
    def folder(self) -> Path:
        """The volumes' files."""
        return self.paths.volumes

    @property
    def quarantine(self) -> Path:
        """Files of deleted volumes."""
        return self.folder / "quarantine"

    @property
    def work(self) -> Path:
        """Files in the making; what is there was left by a crash."""
        return self.folder / "work"

    @property
    def locks(self) -> Path:
        """Locks on volumes."""
        return self.folder / "locks"

    def path(self, volume: Volume) -> Path:
        """Return where a volume's file is."""
        quarantined = volume.state is VolumeState.QUARANTINED
        return (self.quarantine if quarantined else self.folder) / f"{volume.name}.qcow2"

    def image(self, volume: Volume, *lock: int) -> DiskImage:
        """Return a volume's file, with the locks that tools are to hold."""
        return DiskImage(volume.name, self.path(volume), self.find_user(), lock)

    async def ask(self, question: Callable[[Volumes], T]) -> T:
        """Ask or change the registry, off the event loop.

        Raises:
            VolumeError: as the registry says.
            HostError: the database cannot be used.
        """

        def run() -> T:
            self.paths.state.mkdir(parents=True, exist_ok=True)
            return question(open_database(self.paths.database).volumes)

        try:
            return await asyncio.to_thread(run)
        except SQLAlchemyError as error:
            raise HostError(
                f"the registry of volumes in {self.paths.database} cannot be used: {error}",
                hint="check free space and permissions of that file",
            ) from error

    async def knows(self, name: str) -> bool:
        """Tell whether the registry has a volume of this name."""
        return await self.ask(lambda registry: registry.find(name)) is not None

    async def find(self, name: str) -> Volume:
        """Return a volume.

        Raises:
            VolumeNotFoundError: there is none of this name.
        """
        volume = await self.ask(lambda registry: registry.find(name))
        if volume is None:
            raise VolumeNotFoundError(
                name, "there is no such volume", hint="`vmlab volume list` shows all volumes"
            )
        return volume

    async def living_holder(self, volume: Volume) -> str:
        """Return the machine that runs with this volume, or an empty text."""
        if not volume.holder:
            return ""
        status = (await self.machines.status([volume.holder]))[volume.holder]
        return volume.holder if status.state.is_on else ""

    def live(self, name: str) -> LiveVolumes:
        """Return what works on a volume while its machine runs.

        Raises:
            VolumeConflictError: the provider cannot do that.
        """
        if isinstance(self.machines, LiveVolumes):
            return self.machines
        raise VolumeConflictError(
            name, "its machine runs, and this provider changes stopped machines' volumes only"
        )

    @contextlib.asynccontextmanager
    async def using(
        self, name: str, operation: str, *, wait_s: float = 0.0, quarantined: bool = False
    ) -> AsyncGenerator[tuple[Volume, int]]:
        """Have a volume for one operation, its machine running or not; gives it and the lock.

        Args:
            name: the volume's.
            operation: what is done, for those who find the volume busy.
            wait_s: how long to wait for another operation.
            quarantined: have it also when it was deleted.

        Raises:
            VolumeNotFoundError: there is none of this name.
            VolumeConflictError: something else is done with it now, or it is in quarantine.
        """
        await self.find(name)  # no lock for an unknown name
        async with hold_volume(self.locks, own_name(name), operation, wait_s=wait_s) as lock:
            volume = await self.find(name)  # as it is now that nobody else changes it
            if volume.state is VolumeState.QUARANTINED and not quarantined:
                raise VolumeConflictError(
                    name,
                    "it was deleted and is in quarantine",
                    hint=f"bring it back first: vmlab volume undelete {name}",
                )
            yield volume, lock

    @contextlib.asynccontextmanager
    async def using_alone(
        self, name: str, operation: str, *, wait_s: float = 0.0
    ) -> AsyncGenerator[tuple[Volume, int]]:
        """Have a volume that no running machine has, for one operation.

        A machine that ended without a stop, by a crash or from inside, has it no more.

        Raises:
            VolumeNotFoundError, VolumeConflictError: as `using`; also when a machine has it.
        """
        async with self.using(name, operation, wait_s=wait_s) as (volume, lock):
            if holder := await self.living_holder(volume):
                raise held_error(name, holder)
            if volume.holder:
                _log.info("%s: %s does not run, so it has it no more", name, volume.holder)
                await self.ask(lambda registry: registry.change(name, holder="", held_since=0.0))
            yield replace(volume, holder="", held_since=0.0), lock
