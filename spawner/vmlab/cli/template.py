"""`vmlab image template`: prepares the template from which machines of an image start fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from vmlab.cli.common import JsonOption, LabOption, err, print_json, read_lab
from vmlab.errors import LabError, UnsupportedError
from vmlab.lab.lab import Lab
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import PreparesHost, PreparesStarts
from vmlab.providers.facts import Prepared
from vmlab.providers.settings import provider_settings, spare_machine


def template(
    name: Annotated[str, typer.Argument(help="The image's name.")],
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the template of an image for this lab's machines, unless it exists."""
    read, paths = read_lab(lab), default_paths()
    prepare_host(read, paths)
    began = time.monotonic()
    with err().status(f"Template of image {name} …") as status:
        made = make_template(read, paths, name, status.update)
    if as_json:
        print_json(dict(made.facts))
        return
    typer.echo(f"{made.words}, after {time.monotonic() - began:.0f} s")


def prepare_host(lab: Lab, paths: Paths) -> None:
    """Make what the lab's provider needs on this host, unless it is there.

    Raises:
        HostError: it cannot be made.
    """
    provider = make_provider(provider_settings(lab, paths))
    if isinstance(provider, PreparesHost):
        provider.prepare_host()


def make_template(lab: Lab, paths: Paths, image: str, report: Callable[[str], None]) -> Prepared:
    """Return the template, making it if needed.

    Raises:
        UnsupportedError: the lab's provider has none.
        LabError: it cannot be made.
    """
    provider = make_provider(provider_settings(lab, paths))
    if not isinstance(provider, PreparesStarts):
        words = f"provider {provider.features.name} has no templates"
        raise UnsupportedError(f"image {image}", words)
    return asyncio.run(provider.prepare_starts(replace(spare_machine(lab), image=image), report))


def ensure_template_for(lab: Lab, paths: Paths) -> None:
    """Make the lab's template before its hub starts; without one, machines boot."""
    if not isinstance(make_provider(provider_settings(lab, paths)), PreparesStarts):
        return
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
        err().print(f"{made.words}, after {time.monotonic() - began:.0f} s")
