"""Running programs that make and change disks: qemu-img, mke2fs."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from vmlab import messages
from vmlab.errors import HostError
from vmlab.system.environment import tool_environment

_COMMAND_LIMIT_S = 120.0


class ToolUser(Protocol):
    """Whom a tool runs as."""

    @property
    def uid(self) -> int:
        """User."""
        ...

    @property
    def gid(self) -> int:
        """Group."""
        ...

    @property
    def drop(self) -> bool:
        """Whether that is another one than ours."""
        ...


class ToolError(HostError):
    """A tool failed.

    Args:
        output: the end of what it wrote.
    """

    def __init__(self, words: tuple[str, ...], status: int | None, output: str) -> None:
        full = "No space left" in output
        super().__init__(
            f"{' '.join(words)}\n  ended with {status}: {output}",
            hint="the disk is full: free space" if full else "run the command by hand to see more",
            public=messages.HOST_FULL if full else messages.DISK_FAILED,
        )
        self.output = output


async def run_tool(
    *words: str,
    limit_s: float = _COMMAND_LIMIT_S,
    user: ToolUser | None = None,
    keep: tuple[int, ...] = (),
    finish: bool = False,
) -> None:
    """Run a tool to its end.

    Args:
        words: program and arguments.
        limit_s: after that it is killed.
        user: run it as this user, without any other group.
        keep: open files that the tool holds too, so that locks on them live until it ends even if
            this process is killed.
        finish: when we are cancelled, wait for its end instead of killing it: it changes something
            in place.

    Raises:
        ToolError: it failed, or took too long.
        HostError: it is not installed.
    """
    other: dict[str, Any] = {}
    if user and user.drop:
        other = {"user": user.uid, "group": user.gid, "extra_groups": []}
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env=tool_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            pass_fds=keep,
            **other,
        )
    except FileNotFoundError as error:
        raise HostError(
            f"{words[0]} is not installed", hint="apt-get install qemu-utils e2fsprogs"
        ) from error
    ending = asyncio.create_task(_end(process, words, limit_s))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        # Whoever cleans up must find no tool still writing.
        if not finish and process.returncode is None:
            process.kill()
        await asyncio.wait({ending})
        ending.exception()  # looked at: what matters to the caller is that it was cancelled
        raise


async def _end(process: asyncio.subprocess.Process, words: tuple[str, ...], limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise ToolError(words, None, f"it took longer than {limit_s:.0f} s") from error
    if process.returncode != 0:
        raise ToolError(words, process.returncode, output.decode(errors="replace").strip()[-500:])
