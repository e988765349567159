"""Connections that begin and never log in; the jump host within this process."""

from __future__ import annotations

import asyncio
import socket

import asyncssh
import pytest

from vmlab.errors import GuestError
from vmlab.groups.rules import GroupRules
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name
from vmlab.providers.base import SshStream
from vmlab.ssh.jump import JumpHost
from vmlab.ssh.limits import MAX_CHANNELS, Room
from vmlab.ssh.logins import Login

SHORT_S = 1.0
LOGIN_LIMIT_S = 300.0


class NobodyYet:
    """Logins that let in ada, by any key (as `vmlab.ssh.logins.Logins`)."""

    def __init__(self) -> None:
        self.holding = True

    async def by_token(self, user, token, address):
        return None

    async def by_key(self, user, fingerprint):
        return Login(user, "mark", fingerprint) if user == "ada" else None

    async def holds(self, login):
        return self.holding

    async def note_use(self, login):
        pass


class EchoingMachines:
    """A provider whose machines' sshd greets and says everything again."""

    def __init__(self) -> None:
        self.is_on = True
        self.ended = 0
        desk = machine_name("ada")
        self.statuses = {desk: MachineStatus(desk, MachineState.RUNNING, owner="ada")}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open_ssh(self, name):
        if not self.is_on:
            raise GuestError(name, "it does not run")
        near, far = socket.socketpair()
        self._tasks.add(asyncio.create_task(self._serve(far)))
        return SshStream(*await asyncio.open_connection(sock=near))

    async def _serve(self, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(b"SSH-2.0-echo\r\n")
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        self.ended += 1

    async def close(self):
        async with asyncio.timeout(60):
            await asyncio.gather(*self._tasks)

    def ssh_host_key(self, name):
        return ""

    async def status(self, names=None):
        return dict(self.statuses)


def make_jump(
    login_limit_s: float,
    machines: EchoingMachines,
    room: Room = Room(),  # noqa: B008 - frozen
) -> JumpHost:
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    return JumpHost(
        key,
        NobodyYet(),  # type: ignore[arg-type]
        machines,  # type: ignore[arg-type]
        GroupRules(),
        room,
        login_limit_s=login_limit_s,
    )


@pytest.fixture
async def jump():
    machines = EchoingMachines()
    yield make_jump(LOGIN_LIMIT_S, machines)
    await machines.close()


def carried(jump) -> tuple[socket.socket, asyncio.Task[None]]:
    """A client's end of a connection to the jump host."""
    client, served = socket.socketpair()
    for end in (client, served):
        end.setblocking(False)
    return client, asyncio.create_task(jump.carry(served, "192.0.2.1"))


@pytest.mark.attack("ssh.flood", "begins a handshake and stops in the middle of it")
@pytest.mark.parametrize("words", [b"", b"SSH-2.0-slow", b"SSH-2.0-slow\r\n", b"x\r\n" * 5000])
async def test_half_a_handshake_is_cut_off_in_time(words, tried):
    jump = make_jump(SHORT_S, EchoingMachines())
    client, task = carried(jump)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, words)
        async with asyncio.timeout(60):
            while await loop.sock_recv(client, 4096):
                pass
            await task
    except ConnectionError:
        await task
    finally:
        client.close()
    assert not jump.connections.starting
    tried(1)


async def log_in(client: socket.socket, user: str = "ada") -> asyncssh.SSHClientConnection:
    key = asyncssh.generate_private_key("ssh-ed25519")
    return await asyncssh.connect(
        "jump", sock=client, username=user, client_keys=[key], known_hosts=None, config=None
    )


async def test_a_channel_carries_and_counts_as_work(jump):
    client, task = carried(jump)
    connection = await log_in(client)
    reader, writer = await connection.open_connection("desk", 22)
    assert await reader.readuntil(b"\n") == b"SSH-2.0-echo\r\n"
    writer.write(b"there")
    assert await reader.readexactly(5) == b"there"
    assert len(jump.busy_machines) == 1
    writer.close()
    connection.close()
    await task
    async with asyncio.timeout(60):
        while jump.busy_machines or not jump.provider.ended:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
    assert not jump.connections.users


async def test_a_machine_that_is_off_is_said_to_be(jump):
    jump.provider.is_on = False
    client, task = carried(jump)
    connection = await log_in(client)
    with pytest.raises(asyncssh.ChannelOpenError, match=r"off.*allumez-la"):
        await connection.open_connection("desk", 22)
    connection.close()
    await task


@pytest.mark.attack("ssh.flood", "opens more channels than a connection may have")
async def test_channels_of_a_connection_are_bounded(jump, tried):
    client, task = carried(jump)
    connection = await log_in(client)
    for _ in range(MAX_CHANNELS):
        await connection.open_connection("desk", 22)
    with pytest.raises(asyncssh.ChannelOpenError, match="too many"):
        await connection.open_connection("desk", 22)
    connection.close()
    await task
    tried(MAX_CHANNELS + 1)


@pytest.mark.attack("ssh.flood", "opens more channels than the process has descriptors for")
async def test_channels_of_all_connections_are_bounded(tried):
    machines = EchoingMachines()
    jump = make_jump(LOGIN_LIMIT_S, machines, Room(8, 3))
    clients = [carried(jump) for _ in range(2)]
    connections = [await log_in(client) for client, _ in clients]
    for connection in (*connections, connections[0]):
        await connection.open_connection("desk", 22)
    for connection in connections:
        with pytest.raises(asyncssh.ChannelOpenError, match="too many"):
            await connection.open_connection("desk", 22)
    connections[0].close()
    await clients[0][1]
    async with asyncio.timeout(60):
        while jump.connections.channels > 1:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
    await connections[1].open_connection("desk", 22)
    connections[1].close()
    await clients[1][1]
    await machines.close()
    tried(5)


@pytest.mark.attack("ssh.own-machines", "asks for a machine of one's own name that is another's")
async def test_a_machine_that_was_started_for_somebody_else_is_off_for_everybody(jump, tried):
    desk = machine_name("ada")
    jump.provider.statuses = {desk: MachineStatus(desk, MachineState.RUNNING, owner="bob")}
    client, task = carried(jump)
    connection = await log_in(client)
    with pytest.raises(asyncssh.ChannelOpenError, match="is off"):
        await connection.open_connection("desk", 22)
    jump.provider.statuses = {}
    with pytest.raises(asyncssh.ChannelOpenError, match="is off"):
        await connection.open_connection("desk", 22)
    with pytest.raises(asyncssh.ChannelOpenError, match="no machine gpu, only desk"):
        await connection.open_connection("gpu", 22)
    connection.close()
    await task
    assert not jump.connections.channels
    tried(3)


async def test_who_could_not_log_in_again_is_out_at_the_next_check(jump):
    client, task = carried(jump)
    connection = await log_in(client)
    await jump.check()
    assert not task.done()
    jump.logins.holding = False
    await jump.check()
    async with asyncio.timeout(60):
        await task
        await connection.wait_closed()


async def test_somebody_else_stays_out(jump):
    client, task = carried(jump)
    with pytest.raises(asyncssh.PermissionDenied):
        await log_in(client, "bob")
    await task
    assert not jump.connections.starting
