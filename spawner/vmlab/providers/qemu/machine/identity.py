"""A machine's identity in its folder, and the way in by SSH."""

from __future__ import annotations

import asyncio

from vmlab.errors import GuestError, HostError
from vmlab.providers.agent.identity import keep_identity
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.seed import Identity
from vmlab_protocol.atomic import write_atomic

SSH_LIMIT_S = 30.0
"""How long somebody waits for a machine's sshd, which starts after the trainee's server."""

_GREETING = b"SSH-"
_POLL_S = 0.5


def ensure_identity(machine: Machine) -> Identity:
    """Return the machine's identity, making it at first; raises as `keep_identity`."""
    return keep_identity(machine.name, machine.identity, machine.access_key)


def make_ssh_command(machine: Machine) -> list[str]:
    """Return the command that opens a shell in the running machine as the trainee's user.

    Raises:
        HostError: the machine's host key cannot be written for ssh; the disk may be full.
    """
    name = machine.name
    known = f"{name} {ensure_identity(machine).ssh_host_public_key}\n".encode()
    try:
        # Mostly it is there: on a full disk an operator must get in all the same.
        if not machine.known_hosts.exists() or machine.known_hosts.read_bytes() != known:
            write_atomic(machine.known_hosts, known)
    except OSError as error:
        raise HostError(
            f"{name}: {machine.known_hosts} cannot be written: {error.strerror}",
            hint="free space on the host's disk, then try again",
        ) from error
    # fmt: off
    return [
        "ssh", "-i", str(machine.access_key), "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={machine.known_hosts}", "-o", f"HostKeyAlias={name}",
        "-o", "StrictHostKeyChecking=yes",
        "-o", f"ProxyCommand=socat - UNIX-CONNECT:{machine.ssh}",
        f"trainee@{name}",
    ]
    # fmt: on


async def await_greeting(machine: Machine, limit_s: float = SSH_LIMIT_S) -> None:
    """Return when the machine's sshd greets.

    Raises:
        GuestError: it does not in time; ssh's own message would only say that a pipe ended.
    """
    try:
        async with asyncio.timeout(limit_s):
            while not await _greets(machine):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        name = machine.name
        raise GuestError(
            name,
            f"its sshd did not answer within {limit_s:.0f} s",
            hint=f"it starts after the trainee's server; see: vmlab machine console {name}",
        ) from error


async def _greets(machine: Machine) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(machine.ssh))
    except OSError:
        return False  # the machine has just gone, or come
    try:
        return await reader.readexactly(len(_GREETING)) == _GREETING
    except (OSError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
