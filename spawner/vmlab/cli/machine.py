"""`vmlab machine`: list, console, ssh, kill."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from vmlab.cli.common import (
    JsonOption,
    LabOption,
    current_settings,
    duration,
    make_table,
    out,
    plain,
    print_json,
    print_table,
    read_lab,
)
from vmlab.errors import MachineNotFoundError, UnsupportedError
from vmlab.lab.toml_errors import nearest
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name
from vmlab.paths import default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import KeepsMachinesReady, OpensShells
from vmlab.providers.base import Provider
from vmlab.providers.facts import PoolState
from vmlab.providers.settings import provider_settings
from vmlab.system.environment import tool_environment

app = typer.Typer(no_args_is_help=True)

_FOLLOW_S = 0.5
_REMEMBERED = 2000
"""Characters of the console by which the place of the last look is found again."""

NameArgument = Annotated[str, typer.Argument(help="Name of a machine, or of its user.")]

STATE_SIGNS: Mapping[MachineState, str] = {
    MachineState.RUNNING: "● running",
    MachineState.STARTING: "◐ starting",
    MachineState.STOPPED: "○ stopped",
    MachineState.ABSENT: "  absent",
}
"""A shape beside the word, so that a long list can be scanned; never a colour alone."""


@app.command()
def pool(lab: LabOption = None, json: JsonOption = False) -> None:
    """Show how many machines are ready and wait for a trainee."""
    provider = make_provider(provider_settings(read_lab(lab), default_paths()))
    state = PoolState(0, 0, 0)
    if isinstance(provider, KeepsMachinesReady):
        state = provider.pool_state()
    if json:
        print_json(asdict(state))
        return
    out().print(f"{state.ready} of {state.wanted} machines ready, {state.preparing} in preparation")


@app.command("list")
def list_machines(json: JsonOption = False) -> None:
    """List all machines."""
    machines = asyncio.run(current_provider().status())
    if json:
        print_json({"machines": [machine_json(m) for m in machines.values()]})
    else:
        print_machines(machines)


@app.command("console")
def console(
    name: NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow until Ctrl-C.")] = False,
) -> None:
    """Print the end of a machine's serial console."""
    try:
        asyncio.run(_print_console(name, follow=follow))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None  # the way to end --follow


@app.command("ssh")
def ssh(
    name: NameArgument,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there.")] = None,
) -> None:
    """Open a shell in a machine, as the trainee's user."""
    provider = current_provider()
    machine = asyncio.run(find_machine(provider, name))
    if not provider.features.ssh or not isinstance(provider, OpensShells):
        raise UnsupportedError(machine.name, f"provider {provider.features.name} has no SSH")
    words = [*provider.ssh_command(machine.name), *(command or [])]
    asyncio.run(provider.await_ssh(machine.name))
    # What ssh needs to know its user, and the shell there its terminal.
    environment = tool_environment("HOME", "USER", "TERM", "COLORTERM")
    os.execvpe(words[0], words, environment)  # noqa: S606 - a list of words, no shell wanted


@app.command("kill")
def kill(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Force a machine off, as if by cutting its power; its disks stay."""
    provider = current_provider()
    machine = asyncio.run(find_machine(provider, name, suggest=False))
    if not machine.state.is_on:
        asyncio.run(provider.stop(machine.name, now=True))  # a start that has only just begun
        out().print(f"{machine.name} is not running; a start under way is cancelled.")
        return
    if not yes:
        owner = plain(machine.owner or "unknown").plain
        typer.confirm(f"Force {machine.name} off (user {owner})?", abort=True)
    asyncio.run(provider.stop(machine.name, now=True))
    out().print(f"{machine.name} is off; its disks are kept.")


def print_machines(machines: Mapping[str, MachineStatus]) -> None:
    """Print a table of machines, or that there is none."""
    if machines:
        print_table(machine_table(machines))
    else:
        out().print("No machines yet.")


def machine_table(machines: Mapping[str, MachineStatus]) -> Table:
    """Return a table of machines."""
    titles = ("machine", "user", "state", "since", "image", "problem")
    table = make_table(*titles, free=("problem",))
    now = time.time()
    for name, machine in sorted(machines.items()):
        since = duration(now - machine.since) if machine.since else ""
        table.add_row(
            plain(name),
            plain(machine.owner),
            STATE_SIGNS[machine.state],
            since,
            plain(machine.image_version),
            plain(machine.problem),
        )
    return table


def machine_json(machine: MachineStatus) -> dict[str, object]:
    """Return a machine for programs."""
    return {**asdict(machine), "state": machine.state.value}


def new_text(before: str, now: str) -> str:
    """Return what a console shows now that it did not show before.

    Both are the ends of the same growing text, cut to a limit; if nothing of the old end is left,
    all of the new text is new.
    """
    if not before:
        return now
    mark = before[-_REMEMBERED:]
    at = now.rfind(mark)
    return now if at < 0 else now[at + len(mark) :]


def current_provider() -> Provider:
    """Return the provider of the last `vmlab up`, else that of lab.toml."""
    return make_provider(current_settings(default_paths()))


async def _print_console(name: str, *, follow: bool) -> None:
    provider = current_provider()
    machine = await find_machine(provider, name)
    shown = ""
    while True:
        text = await provider.console(machine.name)
        typer.echo(new_text(shown, text), nl=False)
        shown = text
        if not follow:
            return
        await asyncio.sleep(_FOLLOW_S)


async def find_machine(provider: Provider, name: str, *, suggest: bool = True) -> MachineStatus:
    """Return the machine of this name, or the desk of this user.

    Args:
        suggest: name the nearest if there is none; not where a mistake costs somebody else's work.

    Raises:
        MachineNotFoundError: there is none; names the nearest.
    """
    machines = await provider.status()
    for wanted in (name, machine_name(name)):
        found = machines.get(wanted)
        if found is not None and found.state is not MachineState.ABSENT:
            return found
    names = [*machines, *(m.owner for m in machines.values() if m.owner)]
    close = nearest(name, names)
    shown = plain(name).plain
    hint = (
        f"did you mean {close}?" if close and suggest else "`vmlab machine list` shows all machines"
    )
    raise MachineNotFoundError(shown, "no machine of this name, and no user with one", hint=hint)
