"""A run of chaos: trainees work, everything that can break breaks, and then all is counted.

    python -m chaos.run --minutes 10 --seed 7

The seed decides what each trainee and the host do, in which order. What meets what depends on the
host's speed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree

from chaos.audit import Audit, audit_host, audit_lab, audit_volume
from chaos.ground import MISSED, Ground, open_ground
from chaos.host import Host
from chaos.plan import FAULTS, HOST_WEIGHTS, TRAINEE_WEIGHTS, Step, make_plan
from chaos.trainee import Trainee
from vmlab.paths import default_paths

HOST_PAUSE_S = 75.0
"""Between two faults of the host: somebody must be able to get something done."""


_WRONG = ("lost", "leaked", "damaged", "foreign", "problems")


@dataclass(frozen=True)
class Report:
    """How a run went."""

    seed: int
    operations: int
    faults: int  # survived
    acknowledged_writes: int
    lost: list[str]
    leaked: list[str]
    damaged: list[str]
    foreign: list[str]
    problems: list[str]
    seconds: float
    events: list[dict[str, object]]

    @property
    def good(self) -> bool:
        """Whether everything holds."""
        return not any(getattr(self, kind) for kind in _WRONG)

    def summary(self) -> str:
        """Return the report in a few lines, with each thing that is wrong."""
        done = f"{self.operations} operations, {self.faults} of them faults"
        counts = ", ".join(f"{kind} {len(getattr(self, kind))}" for kind in _WRONG)
        lines = [
            f"seed {self.seed}: {done}, {self.seconds:.0f} s",
            f"acknowledged writes checked {self.acknowledged_writes}, {counts}",
        ]
        for kind in _WRONG:
            lines += [f"  {kind}: {text}" for text in getattr(self, kind)[:20]]
        return "\n".join(lines)


def run_chaos(seed: int, minutes: float, trainees: int = 2) -> Report:
    """Run for so long, then stop everything and audit it."""
    began = time.monotonic()
    names = tuple(("ada", "bob", "eve", "kim", "zoe")[:trainees])
    audit = Audit()
    with open_ground(names, default_paths().cache) as ground:
        people = [Trainee(ground, name) for name in names]
        host = Host(ground)
        until = time.monotonic() + minutes * 60
        with ThreadPoolExecutor(len(people) + 1) as pool:
            plans = [(p.do, make_plan(seed, p.user, TRAINEE_WEIGHTS), 0.0) for p in people]
            plans.append((host.do, make_plan(seed, "host", HOST_WEIGHTS), HOST_PAUSE_S))
            for future in [pool.submit(_play, ground, until, *plan) for plan in plans]:
                future.result()
            # A last start replays what a killed machine left in its journals; a last stop is clean.
            list(pool.map(Trainee.start, people))
            list(pool.map(Trainee.stop, people))
        for person in people:
            person.journal.end()
        audit_lab(ground, people, audit)
        ground.hub.stop()
        audit_host(ground, audit)
        for person in people:
            audit_volume(ground, person, audit)
        log = Path("artifacts/chaos-hub.log")
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(ground.hub.log.read_bytes())
    rmtree(ground.records)
    return Report(
        seed=seed,
        operations=len(ground.events),
        faults=sum(
            event.deed in FAULTS and not event.outcome.startswith(MISSED) for event in ground.events
        ),
        acknowledged_writes=audit.checked,
        lost=audit.lost,
        leaked=audit.leaked,
        damaged=audit.damaged,
        foreign=audit.foreign,
        problems=ground.problems,
        seconds=round(time.monotonic() - began, 1),
        events=[asdict(event) for event in ground.events],
    )


def _play(
    ground: Ground,
    until: float,
    do: Callable[[Step], None],
    plan: Iterator[Step],
    pause_s: float,
) -> None:
    """Do one step after the other; a mistake of the suite itself is told, and the rest goes on."""
    for step in plan:
        if time.monotonic() + pause_s > until:
            return
        time.sleep(pause_s)
        try:
            do(step)
        except Exception:  # noqa: BLE001 - reported as a problem of the run
            ground.blame(f"{step.deed}: {traceback.format_exc()}")


def main() -> int:
    """Run; exit code 0 only if nothing was lost, left, damaged or stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--trainees", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = run_chaos(arguments.seed, arguments.minutes, arguments.trainees)
    sys.stdout.write(f"{report.summary()}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
