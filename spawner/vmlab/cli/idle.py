"""`vmlab idle`: a break during which no machine is stopped because nobody works in it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer

from vmlab.cli.common import JsonOption, duration, out, print_json, read_lab
from vmlab.paths import default_paths
from vmlab.upkeep.idle.break_file import Break, declare_break, parse_until, read_break

app = typer.Typer(no_args_is_help=True)


@app.command()
def suspend(
    until: Annotated[
        str, typer.Option("--until", help='14:30, or "2026-12-24 18:00".', metavar="TIME")
    ],
    json: JsonOption = False,
) -> None:
    """Stop no idle machine until this time: for a break, a lunch, a night."""
    moment = parse_until(until, datetime.now().astimezone())
    _show(declare_break(default_paths().state, moment), json=json)


@app.command()
def resume(json: JsonOption = False) -> None:
    """End the break now; idle time is counted from here."""
    _show(declare_break(default_paths().state, time.time()), json=json)


@app.command()
def status(json: JsonOption = False) -> None:
    """Show after how long idle machines are stopped, and whether there is a break."""
    _show(read_break(default_paths().state), json=json)


def _show(found: Break, *, json: bool) -> None:
    now = time.time()
    after_s = read_lab(None).idle.stop_after_s
    if json:
        data = {"until": found.until, "is_break": found.is_on(now), "stop_after_s": after_s}
        print_json(data)
        return
    if not after_s:
        out().print("Idle machines are not stopped ([idle] stop_after in lab.toml is not set).")
    else:
        out().print(f"Machines are stopped after {duration(after_s)} without work.")
    if found.is_on(now):
        end = datetime.fromtimestamp(found.until).astimezone()
        out().print(f"There is a break until {end:%Y-%m-%d %H:%M}.")
    else:
        out().print("There is no break.")
