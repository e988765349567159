"""The process that keeps the network of one event: namespace, bridge, ports, names.

Standard library only, run by `launching.py` as `python -s -S -m` this module with its lock, as a
machine's shim is. It outlives the hub. When it dies, machines go on meeting: the namespace has
another holder (namespace.py), taps and rules are the kernel's. Its successor takes all that over,
from the kernel and from `network.json`; what ends with it are names until then, and cables.

It answers on `keeper.sock`, one message for one, only to its own user. A port goes out as a
descriptor with the answer, and is gone when the last one who holds it has closed it. It does
nothing by itself, so an idle network costs no processor time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from vmlab.model import NetworkSpec
from vmlab.network.relay import find_peer
from vmlab.providers.qemu.network import namespace
from vmlab.providers.qemu.network.bridge import CommandError
from vmlab.providers.qemu.network.kept import ConflictError, KeptNetwork
from vmlab.providers.qemu.network.layout import read_member, read_spec
from vmlab.system.locks import take_lock

LOCK = "keeper.lock"
SOCKET = "keeper.sock"
MESSAGE_BYTES = 1 << 17
"""At most, each way; a socket of this kind keeps messages apart."""

_BACKLOG = 128
_ASK_LIMIT_S = 5.0

Answer = tuple[dict[str, Any], int | None]
"""What is said, and a descriptor that goes with it; ours is closed afterwards."""


def main() -> None:
    """Keep the network in whose folder the lock on the command line is, as standard input says."""
    lock = Path(sys.argv[1])
    if os.fork():
        os._exit(0)  # the launcher waits for a line, not for this process
    os.setsid()
    os.umask(0o077)
    os.chdir(lock.parent)
    try:
        text = sys.stdin.buffer.read()
        if not text:  # a launcher that was cut off
            sys.exit(1)
        spec = read_spec(json.loads(text))
        try:
            take_lock(lock.name)
        except BlockingIOError:
            _say({"taken": True})  # another one keeps it: ask that
            return
        asyncio.run(_keep(spec, taken_over=namespace.enter()))
    except (OSError, ValueError, KeyError, TypeError, CommandError, ConflictError) as error:
        _say({"error": f"{error}"})
        sys.exit(1)


async def _keep(spec: NetworkSpec, *, taken_over: bool) -> None:
    network = KeptNetwork()
    try:
        await network.begin(spec, taken_over=taken_over)
    except BaseException:
        if not taken_over:
            namespace.let_go()
        raise
    await Keeper(network).serve()


class Keeper:
    """Answers until it is asked to remove the network."""

    def __init__(self, network: KeptNetwork) -> None:
        self._network = network
        self._turn = asyncio.Lock()  # one change at a time
        self._removed = asyncio.Event()
        self._is_down = False  # from then on only the answer to whoever removed it is missing
        self._asked: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Open the socket, say so, and answer; return when the network has been removed."""
        path = Path(SOCKET)
        path.unlink(missing_ok=True)  # of one that died: we have its lock
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as server:
            server.bind(SOCKET)
            server.listen(_BACKLOG)
            loop = asyncio.get_running_loop()
            loop.add_reader(server, self._accept, server)
            _say({"ready": True})
            await self._removed.wait()
            loop.remove_reader(server)
            path.unlink()
            if self._asked:
                await asyncio.wait(self._asked)

    def _accept(self, server: socket.socket) -> None:
        try:
            asker, _ = server.accept()
        except OSError:  # it has gone again, or descriptors have run out
            return
        asker.setblocking(False)
        if find_peer(asker)[0] != os.geteuid():
            asker.close()
            return
        task = asyncio.create_task(self._attend(asker))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _attend(self, asker: socket.socket) -> None:
        """Answer one question."""
        with asker:
            try:
                async with asyncio.timeout(_ASK_LIMIT_S):
                    message = await asyncio.get_running_loop().sock_recv(asker, MESSAGE_BYTES)
            except OSError:  # it says nothing
                return
            said, descriptor = await self._answer(message)
            try:
                held = [] if descriptor is None else [descriptor]
                with contextlib.suppress(OSError):  # it did not wait
                    socket.send_fds(asker, [json.dumps(said).encode()], held)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
            if "removed" in said:
                self._removed.set()

    async def _answer(self, message: bytes) -> Answer:
        try:
            question = json.loads(message)
            if question["ask"] == "connect":  # may take long, and changes nothing
                return await self._connect(question)
            async with self._turn:
                return await self._do(question)
        except ConflictError as error:
            return {"conflict": f"{error}"}, None
        except (CommandError, OSError, ValueError, KeyError, TypeError) as error:
            return {"error": f"{error}" or type(error).__name__}, None

    async def _do(self, question: dict[str, Any]) -> Answer:
        network = self._network
        if self._is_down and question["ask"] == "remove":
            return {"removed": True}, None
        if self._is_down:
            # Whoever came later must not hold the namespace again, which would outlive us.
            raise ConflictError("it was removed just now; start the machine again")
        namespace.hold()  # somebody may have killed the other holder
        match question["ask"]:
            case "status":
                return await network.status(), None
            case "shape":
                await network.shape(read_spec(question["spec"]))
            case "plug":
                spec = read_spec(question["spec"])
                await network.shape(spec)
                port = await network.plug(read_member(question["member"], spec))
                return {"kind": port.kind.value}, port.descriptor
            case "unplug":
                await network.unplug(question["machine"])
            case "remove":
                await network.take_down()
                self._is_down = True
                namespace.let_go()
                return {"removed": True}, None
            case other:
                raise ValueError(f"{other!r} is not a question for a network's keeper")
        return {}, None

    async def _connect(self, question: dict[str, Any]) -> Answer:
        address, port = IPv4Address(question["address"]), int(question["port"])
        try:
            with await self._network.connect(address, port) as end:
                return {}, os.dup(end.fileno())
        except OSError as error:
            return {"silent": f"{address}:{port}: {str(error) or 'no answer'}"}, None


def _say(word: dict[str, Any]) -> None:
    """Tell the launcher how it went, and let go of it."""
    with contextlib.suppress(BrokenPipeError):  # it went away
        os.write(1, json.dumps(word).encode() + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


if __name__ == "__main__":
    main()
