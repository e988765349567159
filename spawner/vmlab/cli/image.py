"""`vmlab image`: build images from recipes, and tell which ones are there.

vmlab image build desk
vmlab image list --json
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from vmlab.cli.common import (
    JsonOption,
    err,
    find_project,
    make_table,
    print_json,
    print_table,
)
from vmlab.cli.template import template
from vmlab.errors import HostError, ImageError
from vmlab.images.build import build_image, compare_builds
from vmlab.images.progress import BuildProgress, Report
from vmlab.images.recipe import VERSION_DIGITS, hash_recipe, list_recipes, load_recipe
from vmlab.images.store import Image, ImageStore
from vmlab.paths import default_paths

app = typer.Typer(help="Build images from recipes, and tell which ones are there.")

Name = Annotated[str, typer.Argument(help="The image's name, a folder in images/recipes/.")]


@contextmanager
def show_progress(title: str) -> Generator[Report]:
    """Draw a progress bar on stderr; if that is not a terminal, print one line for each phase."""
    console = err()
    if not console.is_terminal:
        last = ""

        def print_phase(progress: BuildProgress) -> None:
            nonlocal last
            if progress.phase != last:
                last = progress.phase
                console.print(f"{title}: {progress.phase} ({progress.message})")

        yield print_phase
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=1.0, message="")

        def draw(progress: BuildProgress) -> None:
            message = f"{progress.phase}: {progress.message}"[:50]
            bar.update(task, completed=progress.fraction, message=message)

        yield draw


@app.command()
def build(
    name: Name,
    *,
    force: Annotated[
        bool, typer.Option(help="Build again, for instance to get newer Debian packages.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build an image, unless it exists and its recipe has not changed."""
    began = time.monotonic()
    project, paths = find_project(), default_paths()
    with show_progress(f"image {name}") as report:
        image = build_image(name, project=project, paths=paths, progress=report, force=force)
    if as_json:
        print_json({**image.to_json(), "folder": str(image.folder)})
        return
    typer.echo(
        f"image {image.name}, version {image.version}: {image.size_bytes / 2**20:.0f} MiB in "
        f"{image.folder}, after {time.monotonic() - began:.0f} s"
    )


app.command()(template)


@app.command("list")
def list_images(*, as_json: JsonOption = False) -> None:
    """List the images in the store; * marks the version that new machines get."""
    store = ImageStore(default_paths().images)
    rows = [(image, _is_current(store, image)) for image in store.list()]
    if as_json:
        print_json([{**image.to_json(), "current": current} for image, current in rows])
        return
    table = make_table("image", "version", "current", "built", "MiB", "packages")
    for image, current in rows:
        built = time.strftime("%Y-%m-%d %H:%M", time.localtime(image.created))
        mib = f"{image.size_bytes / 2**20:.0f}"
        mark = "*" if current else ""
        table.add_row(image.name, image.version, mark, built, mib, str(image.packages))
    print_table(table)


@app.command()
def show(
    name: Name,
    *,
    full: Annotated[bool, typer.Option(help="Read every byte to verify the files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show an image, verify it, and say whether its recipe has changed since."""
    store = ImageStore(default_paths().images)
    image = store.find(name)
    store.verify(image, full=full)
    fresh = _is_fresh(image)
    if as_json:
        print_json({**image.to_json(), "folder": str(image.folder), "verified": True,
                     "recipe_unchanged": fresh})  # fmt: skip
        return
    typer.echo(f"image    {image.name}\nversion  {image.version}\nfolder   {image.folder}")
    typer.echo(f"disk     {image.disk_size_mib} MiB for the machine")
    for file, fact in sorted(image.files.items()):
        typer.echo(f"file     {file}  {fact.size_bytes} bytes  sha256 {fact.sha256}")
    typer.echo("verified yes")
    words = {True: "unchanged since", False: f"changed: vmlab image build {name}", None: "not here"}
    typer.echo(f"recipe   {words[fresh]}")


@app.command()
def compare(name: Name, *, as_json: JsonOption = False) -> None:
    """Build an image twice, publish neither, and show what differs; exit status 1 if anything."""
    project, paths = find_project(), default_paths()
    with show_progress(f"image {name}, twice") as report:
        lines = compare_builds(name, project=project, paths=paths, progress=report)
    if as_json:
        print_json({"differences": lines})
    else:
        for line in lines or ["the two builds are the same, bit for bit"]:
            typer.echo(line)
    raise typer.Exit(1 if lines else 0)


def _is_current(store: ImageStore, image: Image) -> bool:
    try:
        return store.find(image.name).version == image.version
    except ImageError:  # "current" points nowhere
        return False


def _is_fresh(image: Image) -> bool | None:
    """Tell whether the image is what its recipe says now; None where there is no such recipe."""
    try:
        project = find_project()
    except HostError:
        return None
    if image.name not in list_recipes(project):
        return None
    recipe = load_recipe(image.name, project)
    return image.recipe == hash_recipe(recipe, project)[:VERSION_DIGITS]
