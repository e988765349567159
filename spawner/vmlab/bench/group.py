"""A trainee's group of four beside one desk; and in it, the network and the file server.

Both hubs run all the time and take turns, and every machine is a clone of the same template. What
is measured in machines is measured by programs that also run elsewhere, given to a shell there.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vmlab.bench import files_speed
from vmlab.bench.facts import Variant, median
from vmlab.bench.figures import Figure, link_figures, ratio
from vmlab.bench.rig import Rig, RunOptions, open_rig
from vmlab.bench.rounds import start_all
from vmlab.errors import GuestError, UnsupportedError
from vmlab.names import machine_name, node_name
from vmlab.network import link_speed
from vmlab.providers.base import RunsCommands
from vmlab.providers.facts import LinkSpeed

Say = Callable[[str], None]

TIMES_A_DESK: Final = 2.5
"""How much longer than one desk a group of four may take, on two processors."""

NODES: Final = """\
[[node]]
count = 3
"""
FILES: Final = """\
[server]
volume = "2G"
files = true
"""

_PORT = 7007
_RUN_LIMIT_S = 600.0
_HOME, _SHARE = "/home/trainee", "/run/vmlab/share/here/mine"


async def measure_group(
    options: RunOptions, say: Say, *, rounds: int = 3, with_files: bool = False
) -> list[Figure]:
    """Return how long a group of four takes beside one desk, and how fast things are in it.

    Args:
        with_files: also start the event's file server, which needs its image.

    Raises:
        HostError: a hub does not start.
        LabError: a start failed, or nothing can be run in machines.
    """
    lab = NODES + (FILES if with_files else "")
    times: dict[str, list[float | None]] = {"desk": [], "group": []}
    inside: list[Figure] = []
    async with (
        open_rig(Variant.CLONE, 1, options) as desk,
        open_rig(Variant.CLONE, 1, options, lab_lines=lab) as group,
    ):
        for number in range(rounds + 1):
            for kind, rig in (("desk", desk), ("group", group)):
                say(f"{kind}, round {number} of {rounds}")
                user = f"{kind}-r{number}"
                (sample,) = await start_all(rig, [user], with_kernel=False)
                if sample.failure:
                    raise GuestError(machine_name(user), sample.failure)
                if number:  # the first one warms what a lab in use has warm
                    times[kind].append(sample.ready_s)
                if kind == "group" and number == rounds:
                    say("the network and files, in the machines")
                    inside = await _measure_inside(rig, user, with_files=with_files)
                await rig.remove([user])
    return [
        Figure("one desk: ready", median(times["desk"]), "s"),
        Figure("a group of 4: ready", median(times["group"]), "s"),
        ratio(
            "a group of 4, times one desk",
            median(times["group"]),
            median(times["desk"]),
            TIMES_A_DESK,
        ),
        *inside,
    ]


async def _measure_inside(rig: Rig, user: str, *, with_files: bool) -> list[Figure]:
    desk = machine_name(user)
    node = node_name(desk, "node1")
    figures = [
        *link_figures("two machines, the event's network", await _link(rig, desk, node, "desk")),
        *link_figures("one machine, its loopback", await _link(rig, desk, desk, "127.0.0.1")),
    ]
    if with_files:
        for what, folder in (("the local volume", _HOME), ("the file server", _SHARE)):
            told = await _run_program(rig, desk, files_speed.__file__, folder)
            figures += [
                Figure(f"{what}: writes one large file", told["write_mib_s"], "MiB/s"),
                Figure(f"{what}: reads it", told["read_mib_s"], "MiB/s"),
                Figure(f"{what}: writes small files", told["small_written_s"], "files/s"),
                Figure(f"{what}: reads them", told["small_read_s"], "files/s"),
            ]
    return figures


async def _link(rig: Rig, server: str, client: str, host: str) -> LinkSpeed:
    """Measure from one machine to another; `host` is what the client calls the server."""
    program = link_speed.__file__
    ends = await asyncio.gather(
        _run_program(rig, server, program, "serve", str(_PORT)),
        _run_program(rig, client, program, "ask", host, str(_PORT)),
    )
    return LinkSpeed(**ends[1])


async def _run_program(rig: Rig, machine: str, program: str, *words: str) -> dict[str, Any]:
    """Run a program of one file in a machine, as root; return the line of JSON that it prints."""
    provider = rig.provider
    if not isinstance(provider, RunsCommands):
        raise UnsupportedError(machine, "the provider runs no commands in machines")
    text = base64.b64encode(Path(program).read_bytes()).decode()
    command = f"echo {text} | base64 -d | python3 - {' '.join(words)}"
    ran = await provider.run(machine, command, limit_s=_RUN_LIMIT_S)
    if ran.status != 0:
        raise GuestError(machine, f"{Path(program).name} ended with {ran.status}: {ran.output}")
    lines = ran.output.strip().splitlines()
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found
