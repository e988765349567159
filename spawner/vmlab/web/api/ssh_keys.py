"""`ssh/keys`: the public keys by which the person who calls logs in with SSH."""

from __future__ import annotations

from typing import Any, Final

from tornado import web

from vmlab.database import SshKey
from vmlab.errors import HostError
from vmlab.ssh.keys import MAX_KEYS, KeyBook
from vmlab.ssh.public_keys import KeyRefusedError, read_public_key
from vmlab.ssh.setup import end_connections
from vmlab.web.api.base import OwnHandler
from vmlab.web.api.bodies import parse_ssh_key
from vmlab_protocol.notices import Notice

_TOO_MANY = Notice(
    f"You have {MAX_KEYS} keys already. Delete one that you no longer need.",
    f"Vous avez déjà {MAX_KEYS} clés. Supprimez-en une dont vous n'avez plus besoin.",
)

_PREFIX: Final = "SHA256:"
# Web servers in front may make one slash of two.
_TO_PATH: Final = str.maketrans("+/", "-_")
_FROM_PATH: Final = str.maketrans("-_", "+/")


class KeyBookHandler(OwnHandler):
    """A handler for the keys of the person who calls."""

    subject = "ssh"

    @property
    def book(self) -> KeyBook:
        """The keys of this lab."""
        return self.runtime.key_book


class SshKeysHandler(KeyBookHandler):
    """All keys of the person."""

    async def get(self) -> None:
        """List them."""
        keys = await self.book.of(self.current_user.name)
        self.write({"keys": [key_model(key) for key in keys]})

    async def post(self) -> None:
        """Register one; a machine that runs lets it in when this answers. 201 with it."""
        self.count_call()
        try:
            key = read_public_key(self.checked_body(parse_ssh_key))
            is_kept = await self.book.add(self.current_user.name, key)
        except KeyRefusedError as error:
            self._refuse(400, error.public)
            return
        except HostError as error:
            self.log.error("%s", error)
            raise web.HTTPError(503, error.message) from error
        if not is_kept:
            self._refuse(409, _TOO_MANY)
            return
        self.log.info("%s registered the SSH key %s", self.current_user.name, key.fingerprint)
        self.set_status(201)
        self.write({"fingerprint": key.fingerprint, "id": key_id(key.fingerprint)})

    def _refuse(self, status: int, why: Notice) -> None:
        self.set_status(status)
        self.write({"status": status, "message": why.en, "en": why.en, "fr": why.fr})


class SshKeyHandler(KeyBookHandler):
    """One key of the person."""

    async def delete(self, identifier: str) -> None:
        """Forget it, and end all SSH connections of its owner: 204; 404 if it is not there."""
        self.count_call()
        user, fingerprint = self.current_user.name, find_fingerprint(identifier)
        try:
            is_gone = await self.book.remove(user, fingerprint)
        except HostError as error:
            self.log.error("%s", error)
            raise web.HTTPError(503, error.message) from error
        if not is_gone:
            raise web.HTTPError(404, "you have no such key")
        self.log.info("%s deleted the SSH key %s", user, fingerprint)
        await end_connections(self.runtime.jump, user)
        self.set_status(204)


def key_model(key: SshKey) -> dict[str, Any]:
    """Return what is told of a key. Pure."""
    kind, _, rest = key.line.partition(" ")
    return {
        "id": key_id(key.fingerprint),
        "fingerprint": key.fingerprint,
        "type": kind,
        "comment": rest.partition(" ")[2],
        "added": key.added,
        "used": key.used,
    }


def key_id(fingerprint: str) -> str:
    """Return by which `id` a key is asked for in a path. Pure."""
    return fingerprint.removeprefix(_PREFIX).translate(_TO_PATH)


def find_fingerprint(identifier: str) -> str:
    """Return the fingerprint of the key with this `id`. Pure."""
    return _PREFIX + identifier.translate(_FROM_PATH)
