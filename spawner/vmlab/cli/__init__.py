"""The command line: `vmlab`.

Errors that VMLab raises on purpose become two lines on stderr and exit status 1; wrong usage is 2;
a traceback is a bug of VMLab.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer

from vmlab.cli import (
    accounts,
    bench,
    course,
    doctor,
    down,
    front,
    idle,
    image,
    log,
    machine,
    replaced,
    service,
    status,
    up,
    volume,
)
from vmlab.cli.common import err, out
from vmlab.errors import LabError

app = typer.Typer(
    name="vmlab",
    help="A whole virtual machine for every trainee, in the browser.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("accounts")(accounts.accounts)
app.command("status")(status.status)
app.command("log")(log.log)
app.command("doctor")(doctor.doctor)
app.command("front")(front.front)
app.add_typer(machine.app, name="machine", help="List, watch, enter and kill machines.")
machine.app.command("renew")(replaced.renew)
machine.app.command("old")(replaced.old)
machine.app.add_typer(
    replaced.aside_app, name="aside", help="Machines that were replaced and are kept for diagnosis."
)
app.add_typer(idle.app, name="idle", help="A break, during which no idle machine is stopped.")
app.add_typer(service.app, name="service", help="Start and stop with the host, by systemd.")
app.add_typer(volume.app, name="volume", help="The trainees' disks: snapshots, copies, deletion.")
app.add_typer(image.app, name="image", help="Build and list the images that machines start from.")
app.add_typer(bench.app, name="bench", help="Measure how fast machines start.")
app.add_typer(course.app, name="course", help="Publish courses and see who has them.")


@app.callback()
def tell_version(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """A whole virtual machine for every trainee, in the browser."""
    if version:
        out().print(f"vmlab {installed_version('vmlab')}")
        raise typer.Exit


def main() -> Any:
    """Run the command line; never returns normally."""
    try:
        app()
    except LabError as error:
        console = err()
        console.print(f"error: {error.message}", style="bold red")
        if error.hint:
            console.print(f"hint: {error.hint}")
        sys.exit(1)
