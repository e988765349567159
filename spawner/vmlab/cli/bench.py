"""`vmlab bench`: how fast machines start, compared with what a small hub uses today.

vmlab bench start --seats 1 --compare --json result.json
vmlab bench hub --seats 100,500
vmlab bench group --files
vmlab bench network
vmlab bench show result.json --plot result.svg
"""

from __future__ import annotations

import asyncio
import json as json_module
import signal
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmlab.bench.facts import Report, Variant, make_json, parse_json
from vmlab.bench.figures import Figure, figures_json, figures_table, network_figures
from vmlab.bench.plot import make_svg
from vmlab.bench.table import failures_text, hub_table, phases_table, results_table, targets_table
from vmlab.bench.targets import find_targets
from vmlab.bench.variants import choose_variants
from vmlab.cli.common import err, find_project, out, print_table
from vmlab.cli.image import show_progress
from vmlab.errors import ConfigError, HostError
from vmlab.images.build import ensure_image
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import MeasuresNetworks, PreparesHost
from vmlab_protocol.atomic import write_atomic

if TYPE_CHECKING:
    from vmlab.bench.run import Task

app = typer.Typer(no_args_is_help=True)

HUB_SEATS = "100,500"
_MAX_SEATS = 2000

SeatsOption = Annotated[
    str, typer.Option(help="Simultaneous starts; or several numbers.", metavar="N[,N]")
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", help="Write the results there.", metavar="FILE")
]
LogsOption = Annotated[
    Path | None, typer.Option(help="Keep the hubs' logs in this folder.", metavar="FOLDER")
]


@app.command("start")
def start(
    *,
    seats: SeatsOption = "1",
    compare: Annotated[
        bool, typer.Option(help="Add local processes, pool and boots, and the hub's own cost.")
    ] = False,
    variants: Annotated[
        str, typer.Option(help=f"These variants only, of {','.join(Variant)}.", metavar="V[,V]")
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds of each; as many as medians need.")
    ] = None,
    hub_seats: Annotated[
        str | None,
        typer.Option(help=f"Seats for the hub's own cost; {HUB_SEATS} when comparing, 0: none."),
    ] = None,
    image: Annotated[str, typer.Option(help="The image that machines start from.")] = "desk",
    json: JsonFileOption = None,
    logs: LogsOption = None,
) -> None:
    """Measure starts: from the request to the server's first answer and a kernel's first output."""
    from vmlab.bench.run import Task  # noqa: PLC0415 - no other command is to wait for it

    chosen = parse_variants(variants)
    if hub_seats is None:
        hub_seats = HUB_SEATS if compare else "0"
    starts = ((n, chosen or choose_variants(n, compare=compare)) for n in parse_seats(seats))
    hub_counts = () if hub_seats == "0" else parse_seats(hub_seats)
    _measure(Task(tuple(starts), hub_counts, rounds, image, logs), json)


@app.command("hub")
def hub(
    *, seats: SeatsOption = HUB_SEATS, json: JsonFileOption = None, logs: LogsOption = None
) -> None:
    """Measure what starts cost the hub itself, with machines that cost nothing."""
    from vmlab.bench.run import Task  # noqa: PLC0415 - as above

    _measure(Task(hub_seats=parse_seats(seats), logs=logs), json)


@app.command("group")
def group(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds of each.")] = 3,
    files: Annotated[
        bool, typer.Option(help="Also the event's file server, beside the local volume.")
    ] = False,
    image: Annotated[str, typer.Option(help="The image that machines start from.")] = "desk",
    json: JsonFileOption = None,
    logs: LogsOption = None,
) -> None:
    """Measure a group of four machines beside one desk, and its network from inside."""
    from vmlab.bench.group import measure_group  # noqa: PLC0415 - as above
    from vmlab.bench.rig import RunOptions  # noqa: PLC0415 - as above

    project, paths = find_project(), default_paths()
    images = (image, "server") if files else (image,)
    _prepare(images, project, paths)
    options = RunOptions(project, paths.cache, image, logs=logs)

    async def main(say: Callable[[str], None]) -> list[Figure]:
        return await measure_group(options, say, rounds=rounds, with_files=files)

    _show_figures("A group of 4", main, image, json)


@app.command("network")
def network(
    *,
    trainees: Annotated[int, typer.Option(min=1, max=200, help="Whose network it is.")] = 20,
    clients: Annotated[int, typer.Option(min=2, max=200, help="Who ask for names.")] = 200,
    json: JsonFileOption = None,
) -> None:
    """Measure the network of an event without machines: what it costs, names, its link."""
    from vmlab.bench.rig import machines_settings  # noqa: PLC0415 - as above

    paths = default_paths()
    provider = make_provider(machines_settings(paths.state, paths.cache))
    if not isinstance(provider, MeasuresNetworks):
        raise HostError(f"provider {provider.features.name} has no networks that can be measured")

    async def main(say: Callable[[str], None]) -> list[Figure]:
        say(f"a network of {trainees} trainees")
        return network_figures(await provider.measure_network(trainees=trainees, clients=clients))

    _show_figures("The network of an event, without machines", main, "desk", json)


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="What an earlier run wrote.", metavar="FILE")],
    *,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the times as an SVG file.", metavar="FILE")
    ] = None,
) -> None:
    """Show the results of an earlier run, and draw them."""
    try:
        report = parse_json(json_module.loads(file.read_text()), str(file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if plot is not None:
        _write(plot, make_svg(report))
    _print(report)


def parse_seats(text: str) -> tuple[int, ...]:
    """Return the numbers of seats, ascending.

    Raises:
        typer.BadParameter: one is not a number, or out of range.
    """
    words = text.split(",")
    counts = {int(word) if word.strip().isdecimal() else 0 for word in words}
    if not all(1 <= count <= _MAX_SEATS for count in counts):
        raise typer.BadParameter(f"{text!r}: numbers from 1 to {_MAX_SEATS}, separated by commas")
    return tuple(sorted(counts))


def parse_variants(text: str) -> tuple[Variant, ...]:
    """Return the variants that somebody named; none when nobody did.

    Raises:
        typer.BadParameter: one does not exist.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in list(Variant)]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(Variant)}")
    return tuple(Variant(word) for word in dict.fromkeys(words))


def _measure(task: Task, file: Path | None) -> None:
    """Measure and print; SIGTERM and a closed terminal clean up as Ctrl-C does."""
    from vmlab.bench.run import make_options, run  # noqa: PLC0415 - as above

    def keep(report: Report) -> None:
        if file is not None:
            text = json_module.dumps(make_json(report), indent=1, ensure_ascii=False)
            _write(file, f"{text}\n")

    async def main() -> Report:
        _end_as_by_ctrl_c()
        return await run(task, options, say, keep)

    project, paths = find_project(), default_paths()
    if task.has_machines:
        _prepare((task.image,), project, paths)
    try:
        with _telling() as say:
            options = make_options(task, project, paths, say)
            report = asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        err().print("Stopped; everything that it had started was removed.")
        raise typer.Exit(130) from None
    _print(report)
    if file is not None:
        out().print(f"\nWritten: {file}", style="dim")


def _end_as_by_ctrl_c() -> None:
    """Have SIGTERM and a closed terminal cancel the task that runs, which cleans up."""
    current = asyncio.current_task()
    assert current is not None  # noqa: S101 - asyncio.run made it
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, current.cancel)


def _prepare(images: Sequence[str], project: Path, paths: Paths) -> None:
    """Make the host ready for machines, and the images that they start from."""
    from vmlab.bench.rig import machines_settings  # noqa: PLC0415 - as above

    provider = make_provider(machines_settings(paths.state, paths.cache))
    if isinstance(provider, PreparesHost):
        provider.prepare_host()
    for image in images:
        with show_progress(f"image {image}") as draw:
            ensure_image(image, project, paths, progress=draw)


def _show_figures(
    title: str,
    measure: Callable[[Callable[[str], None]], Awaitable[list[Figure]]],
    image: str,
    file: Path | None,
) -> None:
    """Measure, print, and write the figures down with what they depend on."""
    from vmlab.bench.host_facts import find_facts  # noqa: PLC0415 - as above
    from vmlab.bench.rig import machines_settings  # noqa: PLC0415 - as above

    paths = default_paths()

    async def main() -> tuple[list[Figure], dict[str, Any]]:
        _end_as_by_ctrl_c()
        figures = await measure(say)
        provider = make_provider(machines_settings(paths.state, paths.cache))
        return figures, await find_facts(image, paths.images, provider)

    try:
        with _telling() as say:
            figures, facts = asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        err().print("Stopped; everything that it had started was removed.")
        raise typer.Exit(130) from None
    print_table(figures_table(title, figures))
    if file is not None:
        text = json_module.dumps(figures_json(figures, facts), indent=1, ensure_ascii=False)
        _write(file, f"{text}\n")
        out().print(f"\nWritten: {file}", style="dim")


@contextmanager
def _telling() -> Generator[Callable[[str], None]]:
    """Give a function that reports progress: a status on a terminal, else one line each."""
    console = err()
    if not console.is_terminal:
        yield console.print
        return
    with console.status("") as status:
        yield status.update


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, text.encode(), mode=0o644)
    except OSError as error:
        raise HostError(f"{file} cannot be written: {error}") from error


def _print(report: Report) -> None:
    console = out()
    if report.results:
        print_table(results_table(report))
    if (phases := phases_table(report)) is not None:
        print_table(phases)
    if report.hub:
        print_table(hub_table(report.hub))
    if any(target.reached is not None for target in find_targets(report)):
        print_table(targets_table(report))
    for line in failures_text(report.results, report.hub):
        console.print(f"✗ {line}")
