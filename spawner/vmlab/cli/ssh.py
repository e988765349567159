"""`vmlab ssh`: the public keys by which people log in with SSH from their own computers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from vmlab.cli.common import JsonOption, make_table, out, plain, print_json, print_table, read_lab
from vmlab.cli.machine import current_provider
from vmlab.database import SshKey, open_database
from vmlab.errors import ConfigError, HostError
from vmlab.groups.rules import group_rules
from vmlab.paths import default_paths
from vmlab.ssh.control import JumpControl
from vmlab.ssh.keys import KeyBook

app = typer.Typer(no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(help="Name of the account.")]


@app.command()
def keys(
    user: Annotated[str, typer.Argument(help="Name of the account; if left out, all.")] = "",
    json: JsonOption = False,
) -> None:
    """List the public keys that let people in from outside."""
    found = asyncio.run(_book().of(user))
    if json:
        print_json({"keys": [asdict(key) for key in found]})
    elif not found:
        out().print("No keys.")
    else:
        _print(found)


@app.command()
def delete(
    user: UserArgument,
    fingerprint: Annotated[str, typer.Argument(help="As `vmlab ssh keys` shows it.")],
) -> None:
    """Delete a key from an account and its running machines, and close its SSH connections."""
    asyncio.run(_delete(user, fingerprint))


async def _delete(user: str, fingerprint: str) -> None:
    if not await _book().remove(user, fingerprint):
        raise ConfigError(
            f"{plain(user).plain} has no key {plain(fingerprint).plain}",
            hint="`vmlab ssh keys` lists them",
        )
    out().print(f"Deleted {fingerprint} of {plain(user).plain}.")
    try:
        ended = await JumpControl(default_paths().ssh_socket).end(user)
    except HostError:
        return  # no hub runs, so there is no connection either
    if ended:
        out().print(f"Closed {ended} SSH connection{'' if ended == 1 else 's'}.")


def _book() -> KeyBook:
    rules, paths = group_rules(read_lab(None)), default_paths()
    return KeyBook(open_database(paths.database), current_provider(), rules, paths)


def _print(found: list[SshKey]) -> None:
    table = make_table("user", "fingerprint", "type", "comment", "added", "last used")
    for key in found:
        kind, _, rest = key.line.partition(" ")
        used = "" if key.used is None else _moment(key.used)
        comment = rest.partition(" ")[2]
        table.add_row(
            plain(key.user), key.fingerprint, kind, plain(comment), _moment(key.added), used
        )
    print_table(table)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}"
