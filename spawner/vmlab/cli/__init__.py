"""The command line: `vmlab`.

Errors that VMLab raises on purpose become two lines on stderr and exit status 1; wrong usage is 2;
a traceback is a bug of VMLab.

    common        the project's folder, the lab, the provider, tables: what the commands share
    up, down      start the hub; stop it and all machines
    status, log   what runs; what hub and proxy wrote
    doctor        what this host can do for the lab, from findings, jobs, reach, outside
    findings      what doctor concludes from facts about this host
    reach         what doctor concludes from having asked the lab from outside
    outside       asks the lab by its public names, as a browser would
    jobs          what status and doctor say of the hub's background jobs
    accounts      who may log in, and with which password
    course        publish courses, withdraw them, list who has them
    course_tables  how `vmlab course` shows its results
    machine       list machines, show a console, open SSH, kill
    replaced      renew a machine, and look at those that were replaced
    volume        the trainees' disks: list, grow, snapshot, restore, copy, delete
    image         build images and list them
    template      what is made ahead so that machines of an image start fast
    ssh           public keys for SSH from trainees' own computers
    idle          declare a break, in which no machine is stopped
    front         configuration of a web server in front of the lab
    service       systemd units
    bench         measure how fast machines start
    rehearse      try a lab of several machines, and what is to be installed on them
"""

from __future__ import annotations

import atexit
import gc
import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any, Final

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
    rehearse,
    replaced,
    service,
    ssh,
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
app.command("rehearse")(rehearse.rehearse)
app.add_typer(machine.app, name="machine", help="List, watch, enter and kill machines.")
machine.app.command("renew")(replaced.renew)
machine.app.command("old")(replaced.old)
machine.app.add_typer(
    replaced.aside_app, name="aside", help="Machines that were replaced and are kept for diagnosis."
)
app.add_typer(idle.app, name="idle", help="A break, during which no idle machine is stopped.")
app.add_typer(ssh.app, name="ssh", help="Public keys for SSH from people's own computers.")
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


command: Final = typer.main.get_command(app)
"""The whole command line. Typer reads all signatures for it, once wherever commands are forked."""


def main() -> Any:
    """Run the command line; never returns normally."""
    # Python's collections at its end take a quarter of a short command's time, and free nothing
    # for anybody.
    atexit.register(gc.freeze)
    try:
        command()
    except LabError as error:
        console = err()
        console.print(f"error: {error.message}", style="bold red")
        if error.hint:
            console.print(f"hint: {error.hint}")
        sys.exit(1)
