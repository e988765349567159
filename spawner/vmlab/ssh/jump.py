"""The jump host: SSH in, a channel to the sshd of one's own machine out, and nothing else.

No shell, no files, no agent, no X11, nothing forwarded backwards. What is in the channel is SSH
again, between the trainee's computer and the machine: the host sees none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import Final, Protocol

import asyncssh
from asyncssh.stream import SSHTCPStreamSession

from vmlab.errors import HostError, LabError
from vmlab.groups.rules import GroupRules
from vmlab.network.relay import Pace, pump
from vmlab.providers.base import ReachesSsh, SshStream, TellsStates
from vmlab.ssh.limits import LOGIN_LIMIT_S, MAX_CHANNELS, Connections, Room
from vmlab.ssh.logins import Login, Logins
from vmlab.ssh.targets import SSH_PORT, belongs, find_machine, own_machines
from vmlab.system.background import apart

MAX_PASSWORDS: Final = 3
MAX_KEYS: Final = 20
"""Of one connection: an agent offers all that it has."""

GREETING_LIMIT_S: Final = 30.0
"""A machine's sshd starts after its server."""

_KEEPALIVE_S: Final = 30
_CHUNK_BYTES: Final = 65536
# Plain ASCII, in French as well: ssh shows anything else as octal numbers.
_OFF: Final = (
    "your machine {0} is off, or still starting: start it in the browser / "
    "votre machine {0} ne tourne pas, ou pas encore, allumez-la dans le navigateur"
)
_NOT_YOURS: Final = (
    "you have no machine {0}, only {1} / vous n'avez pas de machine {0}, seulement {1}"
)
_ONLY_SSH: Final = "only port 22 of your machines / seulement le port 22 de vos machines"
_TOO_MANY: Final = "too many connections / trop de connexions"

_log = logging.getLogger(__name__)


class ReachedMachines(ReachesSsh, TellsStates, Protocol):
    """What the jump host needs of a provider."""


class JumpHost:
    """All connections of the jump host.

    Args:
        key: the host key, in OpenSSH's private format.
        logins: who may log in.
        provider: reaches the machines.
        rules: which machines everybody has.
        room: how many connections there may be.
        login_limit_s: from the first byte to the log-in.
    """

    def __init__(
        self,
        key: bytes,
        logins: Logins,
        provider: ReachedMachines,
        rules: GroupRules,
        room: Room = Room(),  # noqa: B008 - frozen
        login_limit_s: float = LOGIN_LIMIT_S,
    ) -> None:
        self.logins = logins
        self.provider = provider
        self.rules = rules
        self.connections = Connections(room)
        self.channels: Counter[str] = Counter()  # by machine
        self._visits: set[Visit] = set()
        self._options = asyncssh.SSHServerConnectionOptions(
            server_host_keys=[asyncssh.import_private_key(key)],
            server_version="VMLab",
            # Exponentials of thousands of bits cost a server most of what a flood can.
            kex_algs="-diffie-hellman*,rsa*",
            compression_algs="none",
            login_timeout=login_limit_s,
            keepalive_interval=_KEEPALIVE_S,
            password_auth=True,
            kbdint_auth=False,
            public_key_auth=True,
            host_based_auth=False,
            gss_host=None,
            allow_pty=False,
            line_editor=False,
            x11_forwarding=False,
            agent_forwarding=False,
            allow_scp=False,
        )

    @property
    def busy_machines(self) -> list[str]:
        """The machines to which a channel is open."""
        return sorted(self.channels)

    async def carry(self, sock: socket.socket, address: str) -> None:
        """Speak SSH on this connection until it ends; the socket is closed then.

        Args:
            sock: connected, non-blocking.
            address: the client's.
        """
        if not self.connections.begin(address):
            _log.warning("SSH from %s refused: too many connections", address)
            sock.close()
            return
        visit = Visit(self, address)
        self._visits.add(visit)
        try:
            connection = await asyncssh.run_server(
                sock, options=self._options, server_factory=lambda: visit
            )
            await connection.wait_closed()
        except (asyncssh.Error, OSError) as error:
            _log.info("SSH from %s ended: %s", address, error)
        finally:
            sock.close()
            self._visits.discard(visit)
            visit.leave()

    def end(self, user: str) -> int:
        """Close this user's connections; return how many there were."""
        ended = [visit for visit in self._visits if visit.login and visit.login.user == user]
        for visit in ended:
            visit.close()
        return len(ended)

    async def check(self) -> None:
        """Close the connections of those who could not log in any more: one round of a job."""
        for visit in list(self._visits):
            login = visit.login
            if login is None:
                continue
            with apart(f"SSH of {login.user}: it is unknown whether the login still holds"):
                if not await self.logins.holds(login):
                    _log.warning("SSH of %s ended: %s was revoked", login.user, login.way)
                    visit.close()


class Visit(asyncssh.SSHServer):
    """One connection, from its first byte to its last.

    Args:
        host: the jump host.
        address: the client's.
    """

    def __init__(self, host: JumpHost, address: str) -> None:
        self.login: Login | None = None  # once logged in
        self._host = host
        self._address = address
        self._checked: Login | None = None  # what was checked last
        self._passwords = 0
        self._keys = 0
        self._channels = 0  # open, or being opened
        self._streams: set[SshStream] = set()
        self._connection: asyncssh.SSHServerConnection | None = None

    def leave(self) -> None:
        """Count it no longer; the connection has ended."""
        if self.login:
            self._host.connections.log_out(self.login.user)
        else:
            self._host.connections.drop(self._address)
        for stream in self._streams:
            stream.writer.close()

    def close(self) -> None:
        """End the connection at once."""
        if self._connection is not None:
            self._connection.abort()

    # -- what asyncssh calls ------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Take note of the connection."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's
        """Have everybody log in."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Keys are one way in."""
        return True

    def password_auth_supported(self) -> bool:
        """Tokens are the other."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Tell whether this key is registered; asyncssh checks the signature."""
        self._checked = None
        self._keys += 1
        if self._keys > MAX_KEYS:
            raise asyncssh.PermissionDenied("too many keys")
        try:
            self._checked = await self._host.logins.by_key(username, key.get_fingerprint())
        except LabError as error:
            _log.error("SSH of %r: no key can be checked: %s", username[:40], error)
        return self._checked is not None

    async def validate_password(self, username: str, password: str) -> bool:
        """Tell whether the password is a token of this user's."""
        self._checked = None
        self._passwords += 1
        if self._passwords > MAX_PASSWORDS:
            raise asyncssh.PermissionDenied("too many attempts")
        try:
            self._checked = await self._host.logins.by_token(username, password, self._address)
        except LabError as error:
            _log.error("SSH of %r: no token can be checked: %s", username[:40], error)
        if self._checked is None and self._passwords >= MAX_PASSWORDS:
            raise asyncssh.PermissionDenied("too many attempts")
        return self._checked is not None

    async def auth_completed(self) -> None:
        """Count the connection as its user's."""
        login, connection = self._checked, self._connection
        if connection is None or login is None:
            raise asyncssh.PermissionDenied("nobody logged in")
        if login.user != connection.get_extra_info("username"):
            raise asyncssh.PermissionDenied("somebody else logged in")
        if not self._host.connections.log_in(self._address, login.user):
            raise asyncssh.DisconnectError(asyncssh.DISC_TOO_MANY_CONNECTIONS, _TOO_MANY)
        self.login = login
        _log.info("SSH of %s from %s, by %s", login.user, self._address, login.way)
        await self._host.logins.note_use(login)

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,
        orig_host: str,  # noqa: ARG002 - what the client says of itself
        orig_port: int,  # noqa: ARG002
    ) -> Awaitable[SSHTCPStreamSession[bytes]]:
        """Open a channel to one of the user's own machines, and to nothing else."""
        if dest_port != SSH_PORT:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, _ONLY_SSH)
        if self._channels >= MAX_CHANNELS or not self._host.connections.open_channel():
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, _TOO_MANY)
        self._channels += 1
        return self._open(dest_host)

    async def _open(self, host: str) -> SSHTCPStreamSession[bytes]:
        stream = None
        try:
            machine = await self._find(host)
            stream = await self._host.provider.open_ssh(machine)
            greeting = await _await_greeting(stream)
        except BaseException as error:
            self._close_channel()
            if stream:
                stream.writer.close()
            if not isinstance(error, LabError):
                raise
            _log.info("SSH to %s of %s: %s", ascii(host[:64]), self._user, error)
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, _OFF.format(host)
            ) from error
        self._streams.add(stream)
        return SSHTCPStreamSession(partial(self._carry, machine, stream, greeting))

    async def _find(self, host: str) -> str:
        """Return the machine that is meant.

        Raises:
            asyncssh.ChannelOpenError: the user has no machine of this name.
            HostError: it is not on, or has been somebody else's since its last start.
        """
        rules, statuses = self._host.rules, await self._host.provider.status()
        machine = find_machine(rules, self._user, host, statuses) if self._user else ""
        if not machine:
            own = ", ".join(own_machines(rules, self._user, statuses))
            message = _NOT_YOURS.format(ascii(host[:64])[1:-1], own)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, message)
        status = statuses.get(machine)
        if status is None or not status.state.is_on or not belongs(status, self._user):
            raise HostError(f"{machine} is not on, or not theirs")
        return machine

    @property
    def _user(self) -> str:
        return self.login.user if self.login else ""

    def _close_channel(self) -> None:
        self._channels -= 1
        self._host.connections.close_channel()

    async def _carry(
        self,
        machine: str,
        stream: SshStream,
        greeting: bytes,
        reader: asyncssh.SSHReader[bytes],
        writer: asyncssh.SSHWriter[bytes],
    ) -> None:
        """Carry bytes both ways until both ends have said all, or the connection ends."""
        self._host.channels[machine] += 1
        try:
            writer.write(greeting)
            free = Pace(0)  # the machine's own limit is at its end
            await asyncio.gather(
                pump(reader, stream.writer, free), pump(stream.reader, writer, free)
            )
        except (asyncssh.Error, OSError) as error:
            _log.debug("SSH to %s ended: %s", machine, error)
        finally:
            self._close_channel()
            self._streams.discard(stream)
            self._host.channels[machine] -= 1
            if not self._host.channels[machine]:
                del self._host.channels[machine]
            stream.writer.close()
            writer.close()


async def _await_greeting(stream: SshStream) -> bytes:
    """Return the first words of a machine's sshd: its socket is open before it is.

    Raises:
        HostError: there are none in time.
    """
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(GREETING_LIMIT_S):
            if greeting := await stream.reader.read(_CHUNK_BYTES):
                return greeting
    raise HostError("the machine's sshd says nothing")
