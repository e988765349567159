"""The program `narval_actor`: an actor, led by its coordinator. Not started by hand."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import functools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from narval.actor.actor import Actor
from narval.actor.guard import split_off
from narval.config import Address, parse_address
from narval.console import program
from narval.control.log_handler import CentralLogHandler
from narval.control.log_record import PYTHON_LEVELS, read_level
from narval.control.peer import Handler, Peer, connect
from narval.errors import NarvalError

STATUS_S = 0.5
_END_S = 3.0
_IOLBF = 1  # ref: stdio.h
_FLUSH_S = 1.0

logger = logging.getLogger(__name__)


@program
def main(arguments: Sequence[str] | None = None, binary_code: str = "") -> int:
    """Run an actor until its coordinator ends it or has gone; return the exit code.

    Args:
        binary_code: the program's name, where it is started under it.
    """
    parser = argparse.ArgumentParser(
        prog=binary_code or "narval_actor",
        description="An actor of a sub-system. Started by its coordinator, which it needs.",
    )
    parser.add_argument("--config_name", required=True, help="the sub-system")
    parser.add_argument("--uuid", required=True, help="given by the coordinator")
    parser.add_argument("--coordinator", required=True, metavar="HOST:PORT")
    parser.add_argument("--binary_code", default=binary_code, help="what it does")
    text = "tell the signal that ends it on standard error: ssh does not"
    parser.add_argument("--by_ssh", action="store_true", help=text)
    given = parser.parse_args(arguments)
    if given.by_ssh and (code := split_off(given.config_name, given.uuid)) is not None:
        return code
    secret = sys.stdin.readline().strip()
    _print_by_line()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return asyncio.run(_work(given, secret))
    except NarvalError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1


def _enter(folder: str) -> None:
    """Have names of files begin at the topology's folder, in whatever language they are opened."""
    try:
        os.chdir(folder)
    except OSError as error:
        text = "the topology's folder %s is not here (%s): file names are relative to %s"
        logger.warning(text, folder, error.strerror, Path.cwd())


def _print_by_line() -> None:
    """Have what plugins in C print go out at each line's end, and not every 4096 bytes."""
    libc = ctypes.CDLL(None)
    libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _IOLBF, ctypes.c_size_t(0))


def main_by_name() -> int:
    """Run the actor whose name the program bears, such as generic_producer."""
    return main(binary_code=Path(sys.argv[0]).name)


async def _work(given: argparse.Namespace, secret: str) -> int:
    fresh, done = asyncio.Event(), asyncio.Event()
    actor = Actor(given.uuid, secret, fresh.set)
    log = ActorLog(given.config_name, secret)

    async def configure(**facts: Any) -> None:
        log.begin(facts)
        _enter(facts["folder"])
        await actor.configure(**facts)

    async def finish() -> None:
        await actor.end(_END_S)
        asyncio.get_running_loop().call_soon(done.set)  # after the answer was sent

    at = parse_address(given.coordinator, 0)
    hello = {"hello": "actor", "uuid": given.uuid, "pid": os.getpid()}
    peer = await connect(at.host, at.port, secret, hello)

    def then_tell(order: Handler) -> Handler:
        """Have the status go ahead of the answer: who hears of the order's end sees its effect."""

        @functools.wraps(order)
        async def run(**with_: Any) -> Any:
            try:
                return await order(**with_)
            finally:
                peer.note("status", **actor.status())

        return run

    orders = {name: then_tell(order) for name, order in actor.orders.items()}
    peer.handlers = {**orders, "configure": then_tell(configure), "finish": finish}
    telling = asyncio.create_task(_tell(peer, actor, fresh))
    ends = [asyncio.create_task(event) for event in (peer.closed(), done.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not done.is_set():  # nobody leads it any more
        await actor.end(_END_S)
    for task in (telling, *ends):
        task.cancel()
    await log.end()
    peer.close()
    return 0


async def _tell(peer: Peer, actor: Actor, fresh: asyncio.Event) -> None:
    """Send the status, twice a second and whenever it has changed."""
    while not peer.is_closed:
        fresh.clear()
        peer.note("status", **actor.status())
        try:
            async with asyncio.timeout(STATUS_S):
                await fresh.wait()
        except TimeoutError:
            pass  # the usual pace


class ActorLog:
    """The way of an actor's lines to the central log; standard error is the coordinator's."""

    def __init__(self, sub_system: str, secret: str) -> None:
        self._handler = CentralLogHandler(sub_system)
        self._secret = secret
        self._forwarding: asyncio.Task[None] | None = None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Forward what is logged from now on. Again: no change."""
        root = logging.getLogger()
        root.setLevel(PYTHON_LEVELS[read_level(facts["log_level"])])
        at = facts.get("log")
        if at is None or self._forwarding is not None:
            return
        self._handler.actor = facts["actor"]["name"]
        root.handlers[:] = [self._handler]  # else each line would come twice
        address = Address(at["host"], at["port"])
        self._forwarding = asyncio.create_task(self._handler.forward(address, self._secret))

    async def end(self) -> None:
        """Send what waits, as far as there is time. Again: no change."""
        if self._forwarding is not None:
            await self._handler.flush_for(_FLUSH_S)
            self._forwarding.cancel()
            self._forwarding = None
