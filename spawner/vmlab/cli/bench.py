"""`vmlab bench`: how fast machines start, beside what a small hub uses today.

vmlab bench start --seats 1 --compare --json result.json
vmlab bench hub --seats 100,500
vmlab bench show result.json --plot result.svg
"""

from __future__ import annotations

import asyncio
import json as json_module
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from vmlab.bench.facts import Report, Variant, make_json, parse_json
from vmlab.bench.host_facts import find_facts
from vmlab.bench.hub_cost import measure_hub
from vmlab.bench.marks import find_marks
from vmlab.bench.peer import ensure_peer
from vmlab.bench.plot import make_svg
from vmlab.bench.rig import Wish
from vmlab.bench.rounds import measure
from vmlab.bench.table import failures_text, hub_table, marks_table, results_table
from vmlab.bench.variants import COMPARED, choose_variants, is_machine
from vmlab.cli.common import err, find_project, out
from vmlab.cli.image import show_progress
from vmlab.cli.system_user import ensure_qemu_user
from vmlab.errors import ConfigError
from vmlab.files import write_atomic
from vmlab.images.build import ensure_image
from vmlab.paths import default_paths
from vmlab.providers.qemu.accelerator import choose_accelerator

app = typer.Typer(no_args_is_help=True)

HUB_SEATS = "100,500"
_MOST_SEATS = 2000

SeatsOption = Annotated[
    str, typer.Option(help="Starts at once; several numbers with commas.", metavar="N[,N]")
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", help="Write the results there.", metavar="FILE")
]
LogsOption = Annotated[
    Path | None, typer.Option(help="Keep the hubs' logs in this folder.", metavar="FOLDER")
]
ImageOption = Annotated[str, typer.Option(help="The image that machines start from.")]


@app.command("start")
def start(
    *,
    seats: SeatsOption = "1",
    compare: Annotated[
        bool, typer.Option(help="Beside local processes, pool and boots; and the hub's own cost.")
    ] = False,
    variants: Annotated[
        str, typer.Option(help=f"Exactly these, of {','.join(Variant)}.", metavar="V[,V]")
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds of each variant; as medians need them.")
    ] = None,
    hub_seats: Annotated[
        str | None,
        typer.Option(help=f"Seats for the hub's own cost; {HUB_SEATS} when comparing, 0: none."),
    ] = None,
    image: ImageOption = "desk",
    json: JsonFileOption = None,
    logs: LogsOption = None,
) -> None:
    """Measure starts: from the request to the server's first answer and a kernel's first output."""
    counts, chosen = parse_seats(seats), parse_variants(variants)
    if hub_seats is None:
        hub_seats = HUB_SEATS if compare else "0"
    hub_counts = [] if hub_seats == "0" else parse_seats(hub_seats)
    plan = [(count, chosen or choose_variants(count, compare=compare)) for count in counts]
    run = _Run(_make_wish(image, {v for _, vs in plan for v in vs}, logs), json)

    async def work() -> None:
        await run.begin(plan)
        for count, each in plan:
            await run.measure_starts(count, each, rounds)
        for count in hub_counts:
            await run.measure_hub(count)

    _finish(_run_to_end(run, work), json)


@app.command("hub")
def hub(
    *, seats: SeatsOption = HUB_SEATS, json: JsonFileOption = None, logs: LogsOption = None
) -> None:
    """Measure what starts cost the hub itself, with machines that cost nothing."""
    counts = parse_seats(seats)
    run = _Run(_make_wish("desk", set(), logs), json)

    async def work() -> None:
        await run.begin([])
        for count in counts:
            await run.measure_hub(count)

    _finish(_run_to_end(run, work), json)


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
        if plot is not None:
            plot.write_text(make_svg(report))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error
    _print(report)


def parse_seats(text: str) -> list[int]:
    """Return the numbers of seats.

    Raises:
        typer.BadParameter: one is no number, or out of range.
    """
    try:
        counts = sorted({int(word) for word in text.split(",")})
    except ValueError:
        counts = [0]
    if not all(1 <= count <= _MOST_SEATS for count in counts):
        raise typer.BadParameter(f"{text!r}: numbers from 1 to {_MOST_SEATS} with commas")
    return counts


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


class _Run:
    """A report that grows, and is written after each step: a long run may be cut."""

    def __init__(self, wish: Wish, file: Path | None) -> None:
        self.wish = wish
        self.file = file
        self.report = Report("", len(os.sched_getaffinity(0)), {})
        self.console = err()

    async def begin(self, plan: Sequence[tuple[int, tuple[Variant, ...]]]) -> None:
        """Find out what the numbers depend on."""
        facts = await find_facts(self.wish.image, self.wish.cache / "images")
        facts["left_out"] = {
            str(seats): [v.value for v in COMPARED if v not in each] for seats, each in plan
        }
        accelerator = ""
        if any(is_machine(variant) for _, each in plan for variant in each):
            accelerator = (await choose_accelerator("auto", self.wish.cache)).name.value
        self.report = replace(self.report, accelerator=accelerator, facts=facts)

    async def measure_starts(
        self, seats: int, variants: tuple[Variant, ...], rounds: int | None
    ) -> None:
        with _telling(self.console) as say:
            results = await measure(seats, variants, self.wish, say, rounds)
        self._keep(replace(self.report, results=(*self.report.results, *results)))

    async def measure_hub(self, seats: int) -> None:
        with _telling(self.console) as say:
            say(f"the hub's own cost, {seats} seats")
            cost = await measure_hub(seats, self.wish)
        self._keep(replace(self.report, hub=(*self.report.hub, cost)))

    def _keep(self, report: Report) -> None:
        self.report = report
        if self.file is not None:
            _write(report, self.file)


@contextmanager
def _telling(console: Console) -> Any:
    """Give a function that says what is done now: a line, or a status on a terminal."""
    if not console.is_terminal:
        yield lambda words: console.print(words, markup=False)
        return
    with console.status("") as status:
        yield status.update


def _make_wish(image: str, variants: set[Variant], logs: Path | None) -> Wish:
    """Return what every hub needs; builds image and peer that are not there yet."""
    project, paths = find_project(), default_paths()
    peer = None
    if any(is_machine(variant) for variant in variants):
        ensure_qemu_user()
        with show_progress(f"image {image}") as report:
            ensure_image(image, project, paths, progress=report)
    if Variant.PROCESS in variants:
        with _telling(err()) as say:
            say("the environment of the local process")
            peer = ensure_peer(image, project, paths.cache, on_line=lambda _: None)
    paths.cache.mkdir(parents=True, exist_ok=True)
    return Wish(project, paths.cache, image, peer, logs)


def _run_to_end(run: _Run, work: Callable[[], Awaitable[None]]) -> Report:
    """Measure; SIGTERM and a closed terminal clean up as Ctrl-C does."""

    async def main() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel if task else sys.exit)
        await work()

    try:
        asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        err().print("Stopped; everything that was started is gone.")
        raise typer.Exit(130) from None
    return run.report


def _write(report: Report, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json_module.dumps(make_json(report), indent=1, ensure_ascii=False)
        write_atomic(file, f"{text}\n".encode(), mode=0o644)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}") from error


def _finish(report: Report, file: Path | None) -> None:
    _print(report)
    if file is not None:
        out().print(f"\nWritten: {file}", style="dim", markup=False)


def _print(report: Report) -> None:
    console = out()
    if report.results:
        console.print(results_table(report))
    if report.hub:
        console.print(hub_table(report.hub))
    if any(mark.reached is not None for mark in find_marks(report)):
        console.print(marks_table(report))
    for line in failures_text(report.results, report.hub):
        console.print(f"✗ {line}", markup=False)
