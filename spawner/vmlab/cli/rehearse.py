"""`vmlab rehearse`: try a lab of several machines, and what is to be installed on them.

vmlab rehearse labs/farm
vmlab rehearse labs/farm --keep --page farm.md
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vmlab.cli.common import (
    JsonOption,
    err,
    find_project,
    make_table,
    out,
    plain,
    print_json,
    print_table,
)
from vmlab.errors import ConfigError, HostError
from vmlab.groups.facts import Group
from vmlab.groups.plan import make_group
from vmlab.groups.rules import group_rules
from vmlab.images.build import ensure_image
from vmlab.lab.lab import Lab, load_lab
from vmlab.lab.machines import HomePlace
from vmlab.model import MachineSpec, VolumeSpec
from vmlab.names import host_name, machine_name, volume_name
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import PreparesHost, PreparesStarts
from vmlab.providers.base import Provider
from vmlab.providers.settings import provider_settings, spare_machine
from vmlab.rehearsal.description import load_description
from vmlab.rehearsal.driver import Rehearsal
from vmlab.rehearsal.plan import Plan, Preparation
from vmlab.rehearsal.report import (
    SIGNS,
    Report,
    Step,
    make_json,
    make_markdown,
    show_seconds,
    summarise,
)
from vmlab.system.locks import try_flock
from vmlab_protocol.atomic import write_atomic

_FIRST = 1  # the number of the lab's first trainee
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def rehearse(
    folder: Annotated[
        Path, typer.Argument(help="Holds lab.toml, and rehearsal.toml beside it.", metavar="LAB")
    ],
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the machines running, to look into them.")
    ] = False,
    down: Annotated[
        bool, typer.Option("--down", help="Only take down what --keep has left running.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(help="Write the report as a page in Markdown.", metavar="FILE"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Start one group of a lab, configure it as planned, check it, take it down, and report."""
    lab = load_lab(folder / "lab.toml")
    paths = _own_paths(lab, default_paths())
    provider = make_provider(provider_settings(lab, paths))
    plan = _make_plan(lab, folder, paths, provider)
    with _alone(lab, paths.state), _telling() as (tell, done):
        rehearsal = Rehearsal(provider, plan, tell=tell, done=done)
        report = None if down else asyncio.run(_run(rehearsal, keep=keep))
        is_clean = not report.is_kept if report else asyncio.run(rehearsal.take_down())
        if is_clean:
            shutil.rmtree(paths.state)
    if report is None:
        raise typer.Exit(0 if is_clean else 1)
    _show(report, paths, page, json=json)
    if not report.is_good:
        raise typer.Exit(1)


async def _run(rehearsal: Rehearsal, *, keep: bool) -> Report:
    """Rehearse; Ctrl-C, SIGTERM and a closed terminal take down what has been started."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return await rehearsal.run(stop, keep=keep)


def _own_paths(lab: Lab, paths: Paths) -> Paths:
    """Return folders apart from those of a lab that people work in; images are the same."""
    return Paths(paths.state / "rehearsals" / lab.name, paths.cache)


@contextmanager
def _alone(lab: Lab, state: Path) -> Generator[None]:
    """Make the state folder, and let nobody else rehearse this lab meanwhile.

    Raises:
        HostError: somebody does.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o711)  # machines run as other users
        lock = os.open(f"{state}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"{state} cannot be made: {error.strerror}") from error
    try:
        if not try_flock(lock):
            raise HostError(
                f"the lab {lab.name} is being rehearsed already, in {state}",
                hint="wait until it has ended, or stop that command with Ctrl-C",
            )
        yield
    finally:
        os.close(lock)


def _make_plan(lab: Lab, folder: Path, paths: Paths, provider: Provider) -> Plan:
    rules, group = group_rules(lab), first_group(lab)
    description = load_description(folder, [member.label for member in group.members])
    prepare = tuple(_preparation(group, paths, provider))
    return Plan(
        lab=lab.name,
        rules=rules,
        user=group.desk.spec.owner,
        group=group,
        description=description,
        database=paths.database,
        prepare=prepare,
        language=lab.language,
    )


def first_group(lab: Lab) -> Group:
    """Return the group of the lab's first trainee.

    Raises:
        ConfigError: it has none.
    """
    if not lab.accounts.trainees:
        raise ConfigError(f"{lab.file}: nobody is a trainee", hint="add one to [accounts] trainees")
    user = lab.accounts.trainees[0]
    has_home = lab.home is HomePlace.SERVER  # on the file server
    desk = replace(
        spare_machine(lab),
        name=machine_name(user),
        owner=user,
        host_name=host_name(user),
        volume=None if has_home else VolumeSpec(volume_name(user), lab.volume_mib),
    )
    return make_group(group_rules(lab), desk, _FIRST)


def _preparation(group: Group, paths: Paths, provider: Provider) -> Generator[Preparation]:
    """Yield what has to be there before machines start: images, and templates to clone."""
    if isinstance(provider, PreparesHost):
        yield Preparation("host", partial(asyncio.to_thread, provider.prepare_host))
    if not provider.features.images:
        return
    specs = [replace(m.spec, name="spare", owner="", volume=None, card=None) for m in group.members]
    for name in sorted({spec.image for spec in specs}):
        build = partial(asyncio.to_thread, _build_image, name, paths)
        yield Preparation(f"image {name}", build)
    if isinstance(provider, PreparesStarts):
        alike = {(spec.image, spec.memory_mib, spec.cpus): spec for spec in specs}
        for (name, memory_mib, cpus), spec in sorted(alike.items()):
            what = f"template of {name}, {memory_mib} MiB, {cpus} CPU"
            make = partial(_make_template, provider, spec)
            yield Preparation(what, make, is_needed=False)


def _build_image(name: str, paths: Paths) -> None:
    ensure_image(name, find_project(), paths, progress=lambda _: None)


async def _make_template(provider: PreparesStarts, spec: MachineSpec) -> None:
    await provider.prepare_starts(spec, lambda _: None)


@contextmanager
def _telling() -> Generator[tuple[Callable[[str], None], Callable[[Step], None]]]:
    """Give what tells progress on stderr: a status on a terminal, else only what has ended."""
    console = err()

    def done(step: Step) -> None:
        console.print(plain(describe(step), most=400))

    if not console.is_terminal:
        yield (lambda _: None), done
        return
    with console.status("") as status:
        yield (lambda line: status.update(plain(line))), done


def describe(step: Step) -> str:
    """Return one step in a line."""
    why = f": {step.message}" if step.message else ""
    took = show_seconds(step.seconds)
    return f"{SIGNS[step.outcome]} {step.kind} {step.what}, {step.outcome}, {took}{why}"


def _show(report: Report, paths: Paths, page: Path | None, *, json: bool) -> None:
    if page is not None:
        try:
            write_atomic(page.absolute(), make_markdown(report).encode(), mode=0o644)
        except OSError as error:
            raise HostError(f"{page} cannot be written: {error.strerror}") from error
    if json:
        print_json(make_json(report))
        return
    console = out()
    if report.differences:
        table = make_table("machine", "", "what", "described", "found", free=("found",))
        for each in report.differences:
            words = (each.machine, each.subject, each.what, each.described, each.found)
            table.add_row(*map(plain, words))
        print_table(table)
    for step in report.failed:
        console.print(plain(describe(step), most=400))
        for line in step.log.splitlines():
            console.print(plain(f"    {line}"))
    console.print(plain(summarise(report)))
    if report.is_kept:
        command = f"VMLAB_STATE={paths.state} vmlab machine list"
        console.print(f"Machines still run; `{command}` lists them.")
    if page is not None:
        console.print(f"Written: {page}", style="dim")
