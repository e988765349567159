"""`vmlab up`: builds the image if needed, starts the hub, prints its address and who may log in."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from vmlab.cli.accounts import make_accounts_table
from vmlab.cli.common import (
    LabOption,
    err,
    find_project,
    out,
    print_table,
    read_lab,
)
from vmlab.cli.image import show_progress
from vmlab.cli.template import ensure_template_for, prepare_host
from vmlab.configure import prepare_state
from vmlab.courses.package import make_package
from vmlab.errors import CourseError, HostError, LabError
from vmlab.hub.access import find_access
from vmlab.hub.certificates import lab_faults
from vmlab.hub.course_calls import list_courses, publish
from vmlab.hub.lock import Holder, HubLock, last_holder
from vmlab.hub.process import HubProcess, StopRequestedError, stop_on_signals
from vmlab.hub.proxy import find_proxy, proxy_command
from vmlab.images.build import ensure_image
from vmlab.images.progress import BuildProgress
from vmlab.lab.lab import Lab
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import ExaminesHost
from vmlab.providers.settings import provider_settings
from vmlab.system.host import find_port_state


def up(
    lab: LabOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the hub's log here.")
    ] = False,
) -> None:
    """Start the lab; Ctrl-C stops the hub and leaves machines and data."""
    project = find_project()
    read = read_lab(lab)
    paths = default_paths()
    with HubLock(paths) as lock, stop_on_signals():
        try:
            _run(lock, read, paths, project, verbose=verbose)
        except StopRequestedError:
            holder = last_holder(paths)
            if holder is None or not holder.hub_pid:
                err().print("\nStopped before the hub was started.")
                raise typer.Exit(130) from None
            words = "The hub is stopped. Machines and data stay; `vmlab down` stops machines."
            err().print(f"\n{words}")


def _run(lock: HubLock, lab: Lab, paths: Paths, project: Path, *, verbose: bool) -> None:
    settings = provider_settings(lab, paths)
    holder = Holder(
        pid=os.getpid(),
        hub_pid=0,
        url=lab.hub.url,
        lab=str(lab.file),
        provider=settings.name,
        options=dict(settings.options),
        started=time.time(),
        volume_mib=lab.allowance.volume_mib,
        total_mib=lab.total_mib,
        nodes=lab.allowance.nodes,
        node_volumes_mib=lab.allowance.node_volumes_mib,
    )
    lock.write(holder)
    proxy_command(project)  # missing programs are reported before an image is built for minutes
    _check_certificate(lab)
    for port in lab.ports:
        _check_port(lab, paths, port)
    _prepare_machines(lab, paths, project)
    passwords = prepare_state(lab, paths)
    console = err()
    with HubProcess(_hub_command(project), _hub_environment(lab, paths), paths, lock) as hub:
        lock.write(replace(holder, hub_pid=hub.pid))
        hub.show_log = verbose
        with console.status("Starting the hub …"):
            hub.wait_until_up(lab.hub.local_url)
        _publish_course(lab, paths)
        # A service's output goes to the host's journal, and a pipe may lead anywhere.
        if sys.stdout.isatty():
            print_table(make_accounts_table(lab, passwords))
        where = Text.assemble("\nThe lab ", (lab.name, "bold"), " is at ", (lab.hub.url, "bold"))
        out().print(where)
        out().print(
            f"Passwords: {paths.accounts} (`vmlab accounts`)   Log: {hub.log}   Stop: Ctrl-C",
            style="dim",
        )
        hub.wait()


def _prepare_machines(lab: Lab, paths: Paths, project: Path) -> None:
    """Prepare what the first start would wait for, and print which accelerator machines use."""
    provider = make_provider(provider_settings(lab, paths))
    prepare_host(lab, paths)
    if provider.features.images:
        for image in lab.images:
            _ensure_image(image, paths, project)
    ensure_template_for(lab, paths)
    if isinstance(provider, ExaminesHost):
        engine = asyncio.run(provider.engine())
        err().print(f"Machines run by {engine.words}", style="dim")


def _check_certificate(lab: Lab) -> None:
    """Say what is wrong with the hub's certificate, if it has one.

    Raises:
        HostError: browsers would refuse it, or a secret is readable.
    """
    _, faults = lab_faults(lab) or (None, [])
    for fault in faults:
        if fault.is_fatal:
            raise HostError(fault.found, hint=fault.advice)
        err().print(f"warning: {fault.found}", style="yellow")
        err().print(f"hint: {fault.advice}")


def _check_port(lab: Lab, paths: Paths, port: int) -> None:
    state = find_port_state(lab.hub.address, port)
    # A proxy that a killed hub left behind is ended by the next hub.
    if not state.problem or (state.pid and state.pid == find_proxy(paths.state / "proxy.pid")):
        return
    raise HostError(
        state.problem,
        hint=f"stop that program, or change [hub] address and port in {lab.file}",
    )


def _ensure_image(name: str, paths: Paths, project: Path) -> None:
    """Build the image if it is not there, and say what that cost."""
    began = time.monotonic()
    built = False
    with show_progress(f"Image {name}") as draw:

        def report(progress: BuildProgress) -> None:
            nonlocal built
            built = True
            draw(progress)

        image = ensure_image(name, project, paths, progress=report)
    if built:
        took_min = (time.monotonic() - began) / 60
        size_mib = image.size_bytes / 2**20
        err().print(f"Image {name} {image.version}: {took_min:.1f} min, {size_mib:.0f} MiB on disk")


def _hub_command(project: Path) -> list[str]:
    return [sys.executable, "-m", "jupyterhub", "-f", os.fspath(project / "jupyterhub_config.py")]


def _hub_environment(lab: Lab, paths: Paths) -> dict[str, str]:
    return {
        "VMLAB_LAB": os.fspath(lab.file),
        "VMLAB_STATE": os.fspath(paths.state),
        "VMLAB_CACHE": os.fspath(paths.cache),
    }


def _publish_course(lab: Lab, paths: Paths) -> None:
    """Publish the lab's course; a mistake in it does not keep a class from working.

    A course that was withdrawn, or that may contain a mistake, is left until somebody decides.
    """
    if lab.course is None:
        return
    try:
        access, package = find_access(paths), make_package(lab.course)
        listed = list_courses(access)
        push = f"to publish it anyway: vmlab course push {lab.course}"
        if package.name in {course["name"] for course in listed["removed"]}:
            raise CourseError(f"{package.name} was withdrawn", hint=push)
        is_news = package.archive.digest not in {course["digest"] for course in listed["courses"]}
        if package.review.doubts and is_news:
            first = package.review.doubts[0]
            raise CourseError(f"{lab.course}/{first.path}: {first.words}", hint=push)
        publish(access, package)
    except LabError as e:
        err().print(f"warning: the course was not published: {e.message}")
        err().print(f"hint: {e.hint or f'vmlab course push {lab.course}'}")
