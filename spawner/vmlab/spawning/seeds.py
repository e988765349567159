"""What a trainee's machines are told when they start, and of what was chosen while they did."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from functools import partial

from vmlab.database import open_database
from vmlab.groups.facts import Group
from vmlab.groups.sharing import find_share
from vmlab.people.account_language import open_languages
from vmlab.providers.base import ReachesSsh, SpeaksLanguages, TakesKeys
from vmlab.seed import Seed
from vmlab.spawning.settings import SpawnerSettings
from vmlab.ssh.authority import HostAuthority
from vmlab.ssh.keys import KeyBook
from vmlab.ssh.kin import KinKeys, is_kin, make_hosts
from vmlab.system.background import apart
from vmlab_protocol.notices import Language, Notice
from vmlab_protocol.seed import Kin


class OwnSeeds:
    """The seeds of the machines of one server of one user.

    Args:
        spawner: the server's: settings, user, and what the single-user server gets.
    """

    def __init__(self, spawner: SpawnerSettings) -> None:
        self._spawner = spawner

    def spoken(self) -> Language:
        """Return the language of the trainee."""
        chosen = open_languages(self._spawner.paths.database).of(self._spawner.user.name)
        return chosen or Language(self._spawner.language)

    async def prepare(self, group: Group, labels: Collection[str]) -> None:
        """Give keys of their own to machines that are about to start and have never run.

        The others of the trainee that are at work let them in; in place of what a machine before
        had as its key, if there was one.

        Raises:
            HostError: a key cannot be written.
            ProviderError: it is unknown which machines are new.
        """
        provider = self._spawner.provider
        if not is_kin(group) or not isinstance(provider, ReachesSsh):
            return
        own = [member.spec.name for member in group.own]
        starting = [member.spec.name for member in group.own if member.label in labels]

        def make() -> bool:
            new = {name for name in starting if not provider.ssh_host_key(name)}
            return self._kin.prepare(own, new)

        if await asyncio.to_thread(make):
            await self._book().tell_machines(self._spawner.user.name)

    async def of_desk(self, group: Group, notices: tuple[Notice, ...]) -> Seed:
        """Return the seed of the machine in which the single-user server runs.

        Args:
            group: what it belongs to.
            notices: what it tells its trainee.

        Raises:
            HostError: as `of_node`.
        """
        given = self._spawner.get_env()
        env = {key: str(value) for key, value in given.items() if value is not None}
        # Read from the environment when its class is defined, and no later: without it the
        # login cookie's path is "/" (jupyterhub/services/auth.py, HubAuth.base_url).
        base_url = f"--HubOAuth.base_url={env['JUPYTERHUB_SERVICE_PREFIX']}"
        args = (base_url, *self._spawner.get_args())
        share = find_share(self._spawner.rules, self._spawner.user.name, is_desk=True)
        seed = await self.of_node(group, group.desk.spec.name)
        return replace(seed, env=env, args=args, serves=True, notices=notices, share=share)

    async def of_node(self, group: Group, machine: str) -> Seed:
        """Return the seed of a machine in which nobody works by a browser: without a token.

        Args:
            group: what it belongs to.
            machine: its name.

        Raises:
            HostError: the hub's keys for SSH cannot be read or made.
        """
        seed = Seed(
            env={},
            language=self.spoken(),
            serves=False,
            share=find_share(self._spawner.rules, self._spawner.user.name),
            keys=await self._keys(group) or (),
        )
        if not isinstance(self._spawner.provider, ReachesSsh):
            return seed
        authority = await asyncio.to_thread(HostAuthority, self._spawner.paths.ssh)
        kin = None
        if is_kin(group) and (key := await asyncio.to_thread(self._kin.find, machine)):
            kin = Kin(key.private, authority.public, make_hosts(group))
        return replace(seed, kin=kin, certify=partial(authority.certify, machine=machine))

    async def follow_choice(self, group: Group, machine: str, seed: Seed | None) -> None:
        """Tell a machine that has started what its trainee chose after its seed was made.

        Args:
            group: what it belongs to.
            machine: its name.
            seed: what it was told; None: an earlier hub told it, nobody knows what.
        """
        language, provider = self.spoken(), self._spawner.provider
        if (seed is None or language != seed.language) and isinstance(provider, SpeaksLanguages):
            with apart(f"{machine}: it speaks {language} from its next start on only"):
                await provider.set_language(machine, language)
        keys = await self._keys(group)
        is_new = keys is not None and (seed is None or keys != seed.keys)
        if keys is not None and is_new and isinstance(provider, TakesKeys):
            with apart(f"{machine}: it knows the SSH keys of before until its next start"):
                await provider.set_keys(machine, keys)

    async def _keys(self, group: Group) -> tuple[str, ...] | None:
        """Return the keys that let the trainee in by SSH; None if they cannot be read."""
        user = self._spawner.user.name
        with apart(f"the SSH keys of {user} cannot be read"):
            return await self._book().lines(user, [member.spec.name for member in group.own])
        return None

    def _book(self) -> KeyBook:
        spawner = self._spawner
        database = open_database(spawner.paths.database)
        return KeyBook(database, spawner.provider, spawner.rules, spawner.paths)

    @property
    def _kin(self) -> KinKeys:
        return KinKeys(self._spawner.paths.ssh)
