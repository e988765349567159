"""The program narval_coordinator."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from narval.config import Address, config_folder, naming_address, read_secret
from narval.console import program, say
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
from narval.coordinator.coordinator import Coordinator
from narval.coordinator.settings import Settings, check_sub_system

PROGRAM = "narval_coordinator"

logger = logging.getLogger(__name__)


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run narval_coordinator; return its exit code."""
    parser = make_parser(PROGRAM, "Leads the actors of one sub-system.")
    parser.add_argument("sub_system", help="its name")
    add_host(parser)
    add_naming(parser)
    add_naming_wait(parser)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--configuration_file", metavar="FILE", type=Path, help="its topology")
    text = "read the secret from standard input, one line"
    parser.add_argument("--secret_on_stdin", action="store_true", help=text)
    given = parser.parse_args(arguments)
    log_to_stderr(f"{PROGRAM} {given.sub_system}", given.log_level)

    async def work(stop: asyncio.Event) -> int:
        folder = config_folder()
        secret = sys.stdin.readline().strip() if given.secret_on_stdin else read_secret(folder)
        settings = Settings(
            sub_system=check_sub_system(given.sub_system),
            at=Address(given.host, given.port),
            naming=given.naming_service or naming_address(),
            secret=secret,
            folder=folder,
            naming_wait_s=given.naming_wait,
        )
        coordinator = Coordinator(settings)
        if not await unless_stopped(stop, coordinator.begin()):
            return 0
        if given.configuration_file is not None:
            coordinator.set_configuration_file(given.configuration_file)
        say(f"{LISTENING} {given.host}:{coordinator.server.port}")
        ends = [asyncio.create_task(event.wait()) for event in (stop, coordinator.finished)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await coordinator.close()
        for end in ends:
            end.cancel()
        return 0

    return run_until_stopped(PROGRAM, work)


if __name__ == "__main__":
    sys.exit(main())
