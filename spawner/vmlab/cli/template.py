"""`vmlab image template`: parks a booted machine of an image, so that others are cloned from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated

import typer

from vmlab.cli.common import JsonOption, LabOption, err, print_json, read_lab
from vmlab.cli.system_user import ensure_qemu_user
from vmlab.errors import LabError
from vmlab.lab.lab import Lab
from vmlab.paths import Paths, default_paths
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.qemu.warm.template import MEMORY, Template
from vmlab.providers.settings import provider_settings, spare_machine


def template(
    name: Annotated[str, typer.Argument(help="The image's name.")],
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the template of an image for this lab's machines, unless it is there."""
    paths = default_paths()
    ensure_qemu_user()
    began = time.monotonic()
    with err().status(f"Template of image {name} …") as status:
        made = make_template(read_lab(lab), paths, name, status.update)
    if as_json:
        measured = asdict(made.measured) if made.measured else None
        print_json({"folder": str(made.folder), **asdict(made.kind), "measured": measured})
        return
    typer.echo(f"{describe(made)}, after {time.monotonic() - began:.0f} s")


def make_template(lab: Lab, paths: Paths, image: str, report: Callable[[str], None]) -> Template:
    """Return the template, making it if needed.

    Raises:
        TemplateError, HostError, ImageError: it cannot be made.
    """
    provider = QemuProvider(provider_settings(lab, paths))
    return asyncio.run(provider.make_template(replace(spare_machine(lab), image=image), report))


def ensure_template_for(lab: Lab, paths: Paths) -> None:
    """Make the lab's template before its hub starts; without one, machines boot."""
    began = time.monotonic()
    try:
        with err().status("Template …") as status:
            made = make_template(
                lab, paths, lab.machine.image, lambda step: status.update(f"Template: {step} …")
            )
    except LabError as error:
        err().print(f"Machines will boot, which takes longer: {error}", style="yellow")
        return
    if time.monotonic() - began > 1:  # it was not there
        err().print(f"{describe(made)}, after {time.monotonic() - began:.0f} s")


def describe(made: Template) -> str:
    """Return what a template is and costs, for the operator."""
    size_mib = (made.folder / MEMORY).stat().st_blocks * 512 / 2**20
    text = (
        f"Template of image {made.kind.image} {made.kind.image_version}: {size_mib:.0f} MiB on disk"
    )
    if made.measured is None:
        return text
    return f"{text}; an idle machine takes {made.measured.pss_mib:.0f} MiB of memory"
