"""The command `narval bench`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from narval.bench.links import LinkResult, bench_links
from narval.bench.system import SystemResult, bench_system
from narval.errors import NarvalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `narval bench`; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="narval bench",
        description="Measures links beside a plain pipe and a plain socket, how fast actions are, "
        "how long fifty actors take to start, and whether memory stays flat.",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement of a link")
    parser.add_argument("--rounds", type=int, default=3)
    text = "how long one link runs at full speed for its memory; 0 leaves out all but the links"
    parser.add_argument("--soak", type=float, default=60.0, metavar="SECONDS", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    given = parser.parse_args(arguments)
    try:
        links = bench_links(given.seconds, rounds=given.rounds, tell=_tell)
        system = bench_system(given.soak, tell=_tell) if given.soak > 0 else None
        if given.json:
            facts = {
                "cores": os.cpu_count(),
                "load": os.getloadavg(),
                "links": [asdict(each) for each in links],
                "system": system and asdict(system),
            }
            given.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except NarvalError as error:
        sys.stderr.write(f"narval bench: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"narval bench: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(format_results(links, system))
    return 0


def format_results(links: Sequence[LinkResult], system: SystemResult | None) -> str:
    """Return a table."""
    lines = [f"{'link':6}{'block':>9}{'narval':>12}{'plain':>12}{'ratio':>8}  mark"]
    for each in links:
        reached = ""
        if each.mark is not None:
            reached = f"{each.mark:g} {'reached' if each.ratio >= each.mark else 'missed'}"
        lines.append(
            f"{each.port:6}{each.block_bytes:>9}{each.narval_bytes_per_s / 1e6:>7.0f} MB/s"
            f"{each.plain_bytes_per_s / 1e6:>7.0f} MB/s{each.ratio:>8.2f}  {reached}"
        )
    if system is not None:
        lines += [
            f"{system.actors} actors run after {system.start_s:g} s",
            f"{system.actions_per_s:g} actions per second",
            (
                f"{system.soak_s:g} s at full speed: {system.soak_bytes / 1e9:.1f} GB, memory "
                f"{system.soak_growth_mib:+g} MiB"
            ),
        ]
    return "\n".join(lines) + "\n"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
