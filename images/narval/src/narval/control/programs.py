"""The programs narval_naming_service and central_log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from narval.config import Address, Port, config_folder, ensure_secret, naming_address
from narval.console import program, say
from narval.control.central_log import NAME, serve_log
from narval.control.naming import serve_names
from narval.control.service import (
    LISTENING,
    add_host,
    add_naming,
    add_naming_wait,
    log_to_stderr,
    make_parser,
    run_until_stopped,
    unless_stopped,
)
from narval.topology.model import LogLevel


@program
def naming_service(arguments: Sequence[str] | None = None) -> int:
    """Run narval_naming_service; return its exit code."""
    name = "narval_naming_service"
    parser = make_parser(name, "Tells where the sub-systems and the central log are.")
    add_host(parser)
    parser.add_argument("--port", type=int, default=Port.NAMING_SERVICE, help="default: 2809")
    given = parser.parse_args(arguments)
    log_to_stderr(name, given.log_level)

    async def work(stop: asyncio.Event) -> int:
        folder = config_folder()
        service = await serve_names(Address(given.host, given.port), ensure_secret(folder), folder)
        say(f"{LISTENING} {given.host}:{service.server.port}")
        await stop.wait()
        service.close()
        return 0

    return run_until_stopped(name, work)


@program
def central_log(arguments: Sequence[str] | None = None) -> int:
    """Run central_log; return its exit code."""
    name = "central_log"
    parser = make_parser(name, "Takes the log of all sub-systems and keeps it with their runs.")
    add_host(parser)
    parser.add_argument("--server", dest="host", help="the same as --host")
    add_naming(parser)
    add_naming_wait(parser)
    parser.add_argument("--port", type=int, default=Port.CENTRAL_LOG, help="default: 6912")
    parser.add_argument("--name", default=NAME, help=f"in the naming service; default: {NAME}")
    parser.add_argument("--wait_time", help="NARVAL's; taken and not needed here")
    given = parser.parse_args(arguments)
    log_to_stderr(name, given.log_level)

    async def work(stop: asyncio.Event) -> int:
        folder = config_folder()
        secret = ensure_secret(folder)
        at, least = Address(given.host, given.port), LogLevel(given.log_level)
        log = await serve_log(at, secret, folder, least)
        try:
            naming, wait_s = given.naming_service or naming_address(), given.naming_wait
            register = log.register(naming, secret, given.name, wait_s=wait_s)
            if await unless_stopped(stop, register):
                say(f"{LISTENING} {given.host}:{log.server.port}")
                await stop.wait()
        finally:
            log.close()
        return 0

    return run_until_stopped(name, work)
