"""The process that lets a machine reach some names on the internet, and nothing else.

It runs in the machine's network namespace, where QEMU's own sockets go out, and ends with the
machine's shim (shim.py), which starts it as `python -s -S -m` this module. The machine asks it for
names; what is allowed (allowed.py) it asks the namespace's resolver for, and opens the addresses
before it answers. If it dies, nothing more is opened. Standard library only.

Only questions for IPv4 addresses are passed on. All else that may be asked of an allowed name has
an empty answer: there is no IPv6, and texts would be a way to talk to whoever answers them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from ipaddress import IPv4Address
from typing import Any

from vmlab.providers.qemu.network.bridge import CommandError, run_command
from vmlab.providers.qemu.network.dns import (
    ANY,
    IN,
    RECURSION_OFFERED,
    A,
    Code,
    Question,
    make_answer,
    make_question,
    read_addresses,
    read_question,
)
from vmlab.providers.qemu.network.namespace import drop_rights
from vmlab.providers.qemu.process.allowed import (
    MARK,
    OPEN_S,
    choose_open,
    is_allowed,
    make_gate,
    make_opening,
)

MODULE = "vmlab.providers.qemu.process.gate"
ADDRESS = IPv4Address("10.0.3.53")
"""Where machines ask for names; an address of this namespace's own."""

RESOLVER = IPv4Address("10.0.3.3")  # slirp4netns(1)

_PORT = 53
_SO_MARK = 36
_MESSAGE_BYTES = 4096
_ASKED_AT_ONCE = 64
_ASK_LIMIT_S = 3.0
_ATTEMPTS = 2
_MOST_ADDRESSES = 16
"""Of one name; more would not fit into one datagram of old, and nobody needs them."""

_READY_LIMIT_S = 20.0


# -- in the shim -----------------------------------------------------------------------------------


def start_gate(allowed: list[str]) -> None:
    """Let only these names be reached from this namespace; return when names are answered.

    The process ends with this one.

    Raises:
        RuntimeError: it did not start; then nothing may be reached, or everything: do not go on.
    """
    # Its last writer is this process, and never closes it. A signal at our end would not do: we
    # will have become a user by then who may not send the gate one.
    end, _ = os.pipe()
    words, pipe = [sys.executable, "-s", "-S", "-m", MODULE, str(end)], subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, pass_fds=[end], cwd="/")
    os.close(end)
    assert process.stdin is not None  # noqa: S101 - both were asked for just above
    assert process.stdout is not None  # noqa: S101
    with process.stdin, process.stdout:
        process.stdin.write(json.dumps(allowed).encode())
        process.stdin.close()
        line = process.stdout.readline()
    word = json.loads(line) if line else {"error": "it ended"}
    if "error" in word:
        process.wait()
        raise RuntimeError(f"the names that the lab allows cannot be opened: {word['error']}")


# -- the process -----------------------------------------------------------------------------------


def main() -> None:
    """Answer for the names that standard input says, until the shim has ended.

    It holds the other end of the pipe whose number is on the command line.
    """
    try:
        allowed = [str(name) for name in json.loads(sys.stdin.buffer.read())]
        asyncio.run(_serve(allowed, end=int(sys.argv[1])))
    except (OSError, ValueError, CommandError, TimeoutError) as error:
        _say({"error": f"{error}" or type(error).__name__})
        sys.exit(1)


async def _serve(allowed: list[str], end: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(end, ended.set)
    async with asyncio.timeout(_READY_LIMIT_S):
        await run_command("nft", "-f", "-", text=make_gate(RESOLVER))
        await run_command("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
        drop_rights()
        gate = Gate(allowed)
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: gate, local_addr=(str(ADDRESS), _PORT)
        )
    _say({"ready": True})
    await ended.wait()


def _say(word: dict[str, Any]) -> None:
    """Tell the shim how it went, and let go of it."""
    with contextlib.suppress(BrokenPipeError):  # it went away
        os.write(1, json.dumps(word).encode() + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


class Gate(asyncio.DatagramProtocol):
    """Answers for names on one socket.

    Args:
        allowed: names, in lower case.
        resolver: who is asked; the tests' own.
    """

    def __init__(self, allowed: list[str], resolver: tuple[str, int] = (str(RESOLVER), 53)) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._opened: dict[IPv4Address, float] = {}  # address → when
        self._at_work: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = transport  # type: ignore[assignment]  # of a datagram endpoint

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Begin to answer; a machine that asks for too much at once is not answered."""
        question = read_question(data)
        if not isinstance(question, Question):
            if question is not None:
                self._reply(question, addr)
        elif question.family != IN:
            self._reply(make_answer(question, Code.REFUSED, whose=RECURSION_OFFERED), addr)
        elif not is_allowed(question.name, self._allowed):
            # "Refused" would be told to people as a trouble that passes.
            self._reply(make_answer(question, Code.UNKNOWN, whose=RECURSION_OFFERED), addr)
        elif len(self._at_work) < _ASKED_AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._attend(question, addr))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def _attend(self, question: Question, addr: tuple[str, int]) -> None:
        code = Code.DONE
        records: list[tuple[int, bytes]] = []
        if question.kind in {A, ANY}:
            try:
                code, addresses = await self._look_up(question.name)
                records = [(A, address.packed) for address in addresses]
            except (OSError, ValueError, CommandError):
                code = Code.FAILED  # asked again by whoever still wants it
        self._reply(make_answer(question, code, records, whose=RECURSION_OFFERED), addr)

    async def _look_up(self, name: str) -> tuple[Code, tuple[IPv4Address, ...]]:
        """Return a name's addresses, which are open from now on."""
        code, addresses = await self._ask(name)
        if code not in {Code.DONE, Code.UNKNOWN}:
            return Code.FAILED, ()
        found = choose_open(addresses)[:_MOST_ADDRESSES]
        await self._open(found)
        return Code(code), found

    async def _ask(self, name: str) -> tuple[int, tuple[IPv4Address, ...]]:
        """Ask the resolver; raises TimeoutError when it does not answer."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(TimeoutError):
                return await self._ask_once(name)
        raise TimeoutError(f"{self._resolver[0]} does not answer")

    async def _ask_once(self, name: str) -> tuple[int, tuple[IPv4Address, ...]]:
        """Ask by a socket and a number of its own, which nobody else can guess both."""
        loop, asked = asyncio.get_running_loop(), make_question(secrets.randbelow(1 << 16), name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
            end.setsockopt(socket.SOL_SOCKET, _SO_MARK, MARK)
            end.connect(self._resolver)
            async with asyncio.timeout(_ASK_LIMIT_S):
                await loop.sock_sendall(end, asked)
                return read_addresses(await loop.sock_recv(end, _MESSAGE_BYTES), asked)

    async def _open(self, addresses: tuple[IPv4Address, ...]) -> None:
        now = time.monotonic()
        self._opened = {a: at for a, at in self._opened.items() if now - at < OPEN_S / 2}
        fresh = [each for each in addresses if each not in self._opened]
        if fresh:
            await run_command("nft", "-f", "-", text=make_opening(fresh))
            self._opened |= dict.fromkeys(fresh, now)

    def _reply(self, message: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(message, addr)


if __name__ == "__main__":
    main()
