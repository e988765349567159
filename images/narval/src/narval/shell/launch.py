"""Starting coordinators, here and by ssh on other hosts."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from narval.client import Access
from narval.config import LOOPBACK
from narval.control.service import LISTENING
from narval.coordinator.launch import (
    LaunchError,
    hand_over_secret,
    is_this_host,
    local_command,
    ssh_command,
)
from narval.coordinator.settings import check_sub_system
from narval.topology.model import is_loopback

DEADLINE_S = 120.0  # as an actor's launch: what ends is told at once
_MAX_TOLD_BYTES = 2000


async def launch_coordinator(name: str, host: str, access: Access, folder: Path) -> None:
    """Start the coordinator of a new sub-system; it goes on when we end.

    What it says is appended to `coordinators/NAME.log` of the acquisition's folder.

    Raises:
        NarvalError: it cannot be started, or ended at once (its name is taken, ...).
    """
    check_sub_system(name)
    naming = ("--naming_service", str(access.naming), "--naming_wait", "0")
    words = [name, *naming, "--secret_on_stdin"]
    if await is_this_host(host):
        at = LOOPBACK if is_loopback(host) else host
        command = local_command("narval.coordinator.program", [*words, "--host", at])
    else:
        command = ssh_command(host, "narval_coordinator", [*words, "--host", host])
    file = folder / "coordinators" / f"{name}.log"
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("ab") as out:
            before = out.tell()
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=out, start_new_session=True
            )
    except OSError as error:
        raise LaunchError(f"{command[0]} cannot be started: {error.strerror}") from error
    await hand_over_secret(process, access.secret)
    await _wait_until_listening(process, file, before)


async def _wait_until_listening(process: Process, file: Path, before: int) -> None:
    assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
    try:
        async with asyncio.timeout(DEADLINE_S):
            line = await process.stdout.readline()
            if line.startswith(LISTENING.encode()):
                return
            await process.wait()
    except TimeoutError:
        process.kill()
        raise LaunchError(f"it does not answer within {DEADLINE_S:g} s; see {file}") from None
    with file.open("rb") as said:
        said.seek(before)
        text = said.read()[-_MAX_TOLD_BYTES:].decode(errors="replace").strip()
    raise LaunchError(text or f"it ended with exit code {process.returncode}")
