"""What a trainee's machines are told when they start, and of what was chosen while they did."""

from __future__ import annotations

from dataclasses import replace

from vmlab.database import open_database
from vmlab.groups.sharing import find_share
from vmlab.people.account_language import open_languages
from vmlab.providers.base import SpeaksLanguages, TakesKeys
from vmlab.seed import Seed
from vmlab.spawning.settings import SpawnerSettings
from vmlab.ssh.keys import KeyBook
from vmlab.system.background import apart
from vmlab_protocol.notices import Language, Notice


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

    async def of_desk(self, notices: tuple[Notice, ...]) -> Seed:
        """Return the seed of the machine in which the single-user server runs.

        Args:
            notices: what it tells its trainee.
        """
        given = self._spawner.get_env()
        env = {key: str(value) for key, value in given.items() if value is not None}
        # Read from the environment when its class is defined, and no later: without it the
        # login cookie's path is "/" (jupyterhub/services/auth.py, HubAuth.base_url).
        base_url = f"--HubOAuth.base_url={env['JUPYTERHUB_SERVICE_PREFIX']}"
        args = (base_url, *self._spawner.get_args())
        return replace(await self.of_node(), env=env, args=args, serves=True, notices=notices)

    async def of_node(self) -> Seed:
        """Return the seed of a machine in which nobody works by a browser: without a token."""
        return Seed(
            env={},
            language=self.spoken(),
            serves=False,
            share=find_share(self._spawner.rules, self._spawner.user.name),
            keys=await self._keys() or (),
        )

    async def follow_choice(self, machine: str, seed: Seed | None) -> None:
        """Tell a machine that has started what its trainee chose after its seed was made.

        Args:
            seed: what it was told; None: an earlier hub told it, nobody knows what.
        """
        language, provider = self.spoken(), self._spawner.provider
        if (seed is None or language != seed.language) and isinstance(provider, SpeaksLanguages):
            with apart(f"{machine}: it speaks {language} from its next start on only"):
                await provider.set_language(machine, language)
        keys = await self._keys()
        is_new = keys is not None and (seed is None or keys != seed.keys)
        if keys is not None and is_new and isinstance(provider, TakesKeys):
            with apart(f"{machine}: it knows the SSH keys of before until its next start"):
                await provider.set_keys(machine, keys)

    async def _keys(self) -> tuple[str, ...] | None:
        """Return the keys by which the trainee logs in with SSH; None if they cannot be read."""
        spawner = self._spawner
        with apart(f"the SSH keys of {spawner.user.name} cannot be read"):
            book = KeyBook(open_database(spawner.paths.database), spawner.provider, spawner.rules)
            return tuple(key.line for key in await book.of(spawner.user.name))
        return None
