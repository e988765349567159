"""Registered keys: in VMLab's database, and in the machines of whoever registered them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import Database, SshKey
from vmlab.errors import HostError
from vmlab.groups.rules import GroupRules
from vmlab.model import MachineState
from vmlab.paths import Paths
from vmlab.providers.base import TakesKeys, TellsStates
from vmlab.ssh.kin import KinKeys
from vmlab.ssh.marks import PasswordMarks
from vmlab.ssh.public_keys import PublicKey
from vmlab.ssh.targets import belongs, own_machines
from vmlab.system.background import apart

MAX_KEYS: Final = 10
"""Of one user: a computer each, at home and at work."""

T = TypeVar("T")


class KeyBook:
    """The keys of all users. One counts as long as its account has the password of when it came.

    Args:
        database: VMLab's.
        provider: of the machines.
        rules: which machines everybody has.
        paths: of the lab.
    """

    def __init__(
        self, database: Database, provider: TellsStates, rules: GroupRules, paths: Paths
    ) -> None:
        self._keys = database.ssh_keys
        self._provider = provider
        self._rules = rules
        self._marks = PasswordMarks(paths)
        self._kin = KinKeys(paths.ssh)
        self._looked_at: Mapping[str, str] | None = None  # no key is stale by these marks

    async def of(self, user: str = "") -> list[SshKey]:
        """Return a user's keys that count, the oldest first; of everybody if nobody is named.

        Raises:
            HostError: the database cannot be read.
        """

        def find() -> list[SshKey]:
            marks = self._marks.all() or {}
            keys = self._keys.of(user) if user else self._keys.all()
            return [key for key in keys if key.mark and key.mark == marks.get(key.user)]

        return await _ask(find)

    async def add(self, user: str, key: PublicKey) -> bool:
        """Register a key; no-op if the user has it. Return False if there are too many already.

        A running machine takes it at once; one that cannot be told takes it at its next start.

        Raises:
            HostError: the database cannot be written, or the account has no password.
        """

        def keep() -> bool:
            mark = self._marks.of(user)
            if not mark:
                raise HostError(
                    f"no key can be registered for {user}: the account has no password",
                    hint="`vmlab up` makes one, if the file of passwords has no mistakes",
                )
            kept = SshKey(user, key.fingerprint, key.line, time.time(), mark=mark)
            return self._keys.add(kept, MAX_KEYS)

        if not await _ask(keep):
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

    async def forget_stale(self, accounts: Collection[str]) -> frozenset[str]:
        """Forget keys that will never count again; return whose. Running machines forget them, too.

        They are those of accounts that are gone, and of such as have another password now.

        Args:
            accounts: the names in lab.toml.

        Raises:
            HostError: the database cannot be written.
        """

        def forget() -> frozenset[str]:
            marks = self._marks.all()
            if marks is None or marks is self._looked_at:
                return frozenset()  # nobody knows which ones they are; or there are none
            stale = [
                key
                for key in self._keys.all()
                if key.user not in accounts or key.mark != marks.get(key.user)
            ]
            for key in stale:
                self._keys.remove(key.user, key.fingerprint)
            self._looked_at = marks
            return frozenset(key.user for key in stale)

        users = await _ask(forget)
        for user in sorted(users):
            await self.tell_machines(user)
        return users

    async def lines(self, user: str, group: Iterable[str]) -> tuple[str, ...]:
        """Return the public keys that let somebody in at the machines of a group.

        Args:
            user: whose keys.
            group: the names of those machines, each of which may have a key of its own.

        Raises:
            HostError: the database or a key cannot be read.
        """
        own = await asyncio.to_thread(self._kin.lines, tuple(group))
        return (*(key.line for key in await self.of(user)), *own)

    async def tell_machines(self, user: str) -> None:
        """Have the user's machines at work take the keys as they are now."""
        provider = self._provider
        if not isinstance(provider, TakesKeys):
            return
        with apart(f"the machines of {user} take the SSH keys at their next start only"):
            statuses = await provider.status()
            group = tuple(own_machines(self._rules, user, statuses).values())
            for name, status in statuses.items():
                # One that is being started is told at the end of its start (`VMSpawner`).
                if status.state is MachineState.RUNNING and belongs(status, user):
                    with apart(f"{name}: it takes the SSH keys of {user} at its next start only"):
                        keys = await self.lines(user, group if name in group else ())
                        await provider.set_keys(name, keys)


async def _ask(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except SQLAlchemyError as error:
        raise HostError(
            f"the SSH keys cannot be read or written: {error}",
            hint="check free space and who owns the state folder",
        ) from error
