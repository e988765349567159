"""Registered keys: in VMLab's database, and in the machines of whoever registered them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import Database, SshKey
from vmlab.errors import HostError
from vmlab.groups.rules import GroupRules
from vmlab.model import MachineState
from vmlab.providers.base import TakesKeys, TellsStates
from vmlab.ssh.public_keys import PublicKey
from vmlab.ssh.targets import own_machines
from vmlab.system.background import apart

MAX_KEYS: Final = 10
"""Of one user: a computer each, at home and at work."""

T = TypeVar("T")


class KeyBook:
    """The keys of all users.

    Args:
        database: VMLab's.
        provider: of the machines.
        rules: which machines everybody has.
    """

    def __init__(self, database: Database, provider: TellsStates, rules: GroupRules) -> None:
        self._keys = database.ssh_keys
        self._provider = provider
        self._rules = rules

    async def of(self, user: str = "") -> list[SshKey]:
        """Return a user's keys, the oldest first; of everybody if nobody is named.

        Raises:
            HostError: the database cannot be read.
        """
        return await _ask(lambda: self._keys.of(user) if user else self._keys.all())

    async def add(self, user: str, key: PublicKey) -> bool:
        """Register a key; no-op if the user has it. Return False if there are too many already.

        A running machine takes it at once; one that cannot be told takes it at its next start.

        Raises:
            HostError: the database cannot be written.
        """
        kept = SshKey(user, key.fingerprint, key.line, time.time())
        if not await _ask(lambda: self._keys.add(kept, MAX_KEYS)):
            return False
        await self.tell_machines(user)
        return True

    async def remove(self, user: str, fingerprint: str) -> bool:
        """Forget a key; return whether it was there. Running machines forget it, too.

        Raises:
            HostError: the database cannot be written.
        """
        if not await _ask(lambda: self._keys.remove(user, fingerprint)):
            return False
        await self.tell_machines(user)
        return True

    async def tell_machines(self, user: str) -> None:
        """Have the user's machines at work take the keys as they are now."""
        provider = self._provider
        if not isinstance(provider, TakesKeys):
            return
        keys = tuple(key.line for key in await self.of(user))
        for name in own_machines(self._rules, user).values():
            with apart(f"{name}: it takes the SSH keys of {user} at its next start only"):
                # One that is being started is told at the end of its start (`VMSpawner`).
                if (await provider.status([name]))[name].state is MachineState.RUNNING:
                    await provider.set_keys(name, keys)


async def _ask(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except SQLAlchemyError as error:
        raise HostError(
            f"the SSH keys cannot be read or written: {error}",
            hint="check free space and who owns the state folder",
        ) from error
