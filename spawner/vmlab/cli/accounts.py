"""`vmlab accounts`: who may log in, and with which password; for the operator only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from vmlab.cli.common import (
    JsonOption,
    LabOption,
    make_table,
    plain,
    print_json,
    print_table,
    read_lab,
)
from vmlab.errors import HostError
from vmlab.lab.lab import Lab, Role
from vmlab.paths import default_paths
from vmlab.people.accounts import read_passwords

_TITLES = {
    Role.TRAINER: "trainer",
    Role.FACILITATOR: "facilitator",
    Role.ADMINISTRATOR: "administrator",
    Role.TRAINEE: "trainee",
}


def accounts(
    lab: LabOption = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print passwords to a file or pipe, too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print the accounts of the lab with their passwords."""
    read, paths = read_lab(lab), default_paths()
    passwords = read_passwords(paths.accounts)
    if json:
        rows = [
            {"account": name, "password": passwords.get(name), "role": title}
            for name, title in _accounts(read)
        ]
        print_json({"accounts": rows})
    elif show or sys.stdout.isatty():
        print_table(make_accounts_table(read, passwords))
    else:
        raise HostError(
            "passwords are not printed: standard output is not a terminal",
            hint=f"add --show or --json to print them anyway; they are in {paths.accounts}",
        )


def make_accounts_table(lab: Lab, passwords: dict[str, str]) -> Table:
    """Return the table of accounts and passwords; one without a password has none yet."""
    table = make_table("account", "password", "role")
    table.title, table.title_justify = "Accounts", "left"
    for name, title in _accounts(lab):
        table.add_row(name, plain(passwords.get(name, "(made by `vmlab up`)")), title)
    return table


def _accounts(lab: Lab) -> list[tuple[str, str]]:
    """Return each account and its role, trainees last."""
    by_role = lab.accounts.by_role()
    return [(name, title) for role, title in _TITLES.items() for name in by_role[role]]
