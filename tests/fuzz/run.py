"""The runner: every target in a process of its own, for its share of the time.

    python -m fuzz.run --seconds 3600 --runs 1000000

Crashes, hangs and inputs that take too much memory are kept in cases/ and make the exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from fuzz.target import HERE, Target, all_targets

ROOT = HERE.parents[1]
MEMORY_MIB = 1024
HANG_S = 20
"""For one input; a usual one takes a thousandth of a second or less."""

NOT_PLAYED = "atheris, which finds the inputs, has no wheel for this Python or processor"

_START_S = 3.0  # imports, once for all targets
_END_S = 90.0
_LIMITS = ("-detect_leaks=0", "-print_final_stats=1", f"-rss_limit_mb={MEMORY_MIB}")


@dataclass(frozen=True)
class Outcome:
    """How one target fared."""

    target: str
    inputs: int
    seconds: float
    coverage: int  # lines and branches of the product that were reached
    new: int  # inputs that reached something that the corpus had not
    crash: str = ""  # the file with the input
    says: str = ""  # the end of what the process wrote about it


def is_playable() -> bool:
    """Tell whether this Python has atheris."""
    return find_spec("atheris") is not None


def fuzz(
    targets: Sequence[Target],
    seconds: float,
    work: Path,
    keep: Path,
    *,
    hang_s: int = HANG_S,
    limits: Sequence[str] = (),
) -> list[Outcome]:
    """Fuzz targets, as many at once as there are processors; the time is shared alike.

    Args:
        work: the corpus grows there.
        keep: crashes are kept there, in folders of the targets' names.
        limits: libFuzzer's options for each target, such as `-runs=1000`.
    """
    lanes = min(len(targets), os.cpu_count() or 1)
    share_s = max(1, round((seconds - _START_S) * lanes / len(targets)))
    with ThreadPoolExecutor(lanes) as pool:
        work_on = [targets[lane::lanes] for lane in range(lanes)]
        found = pool.map(
            lambda some: _fuzz_some(some, share_s, work, keep, hang_s, limits), work_on
        )
        return sorted(chain.from_iterable(found), key=lambda outcome: outcome.target)


def _fuzz_some(
    targets: Sequence[Target],
    share_s: int,
    work: Path,
    keep: Path,
    hang_s: int,
    limits: Sequence[str],
) -> list[Outcome]:
    """Fuzz targets one after another, in processes of their own."""
    paths = [HERE.parent, ROOT / "images/guest/src", ROOT / "images/narval/src"]
    before = {target.name: _files(keep / target.name) for target in targets}
    jobs = [_make_job(target, share_s, work, keep, hang_s, limits) for target in targets]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "TMPDIR": scratch}
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.child"],
            input="\n".join(map(json.dumps, jobs)),
            env={**os.environ, **environment},
            cwd=scratch,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    outcomes = []
    for job, line in zip(jobs, done.stdout.splitlines(), strict=True):
        name, code, took_s = json.loads(line)
        said = Path(str(job["log"])).read_text(errors="replace")
        crashes = sorted(_files(keep / name) - before[name])
        outcomes.append(_judge(name, code, took_s, said, crashes))
        if not _files(keep / name):
            with contextlib.suppress(FileNotFoundError):  # another run at the same time tidies, too
                (keep / name).rmdir()
    return outcomes


def _make_job(
    target: Target, share_s: int, work: Path, keep: Path, hang_s: int, limits: Sequence[str]
) -> dict[str, object]:
    """Return what `fuzz.child.Job` is made of, and make the folders that it needs."""
    grown, found = work / target.name, keep / target.name
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    corpora = [grown, target.folder("corpus"), found]
    options = [
        *(*_LIMITS, f"-timeout={hang_s}", f"-max_total_time={share_s}", *limits),
        *(f"-max_len={target.most_bytes}", f"-artifact_prefix={found}/"),
        *(str(folder) for folder in corpora if folder.is_dir()),
    ]
    log = str(work / f"{target.name}.log")
    limit_s = share_s + hang_s + _END_S
    return {"module": target.module, "name": target.name, "options": options, "log": log,
            "limit_s": limit_s}  # fmt: skip


def _judge(name: str, code: int, took_s: float, said: str, crashes: list[Path]) -> Outcome:
    outcome = Outcome(
        name, _number(r"stat::number_of_executed_units: *(\d+)", said), round(took_s, 1),
        _number(r"cov: (\d+)", said), _number(r"stat::new_units_added: *(\d+)", said),
    )  # fmt: skip
    if code == 0 and not crashes:
        return outcome
    where = str(crashes[0]) if crashes else f"no file; the process ended with {code}"
    return replace(outcome, crash=where, says=_essence(said))


def _files(folder: Path) -> set[Path]:
    return set(folder.iterdir()) if folder.is_dir() else set()


def make_table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a table."""
    lines = [f"{'target':18}{'inputs':>10}{'seconds':>9}{'cover':>7}{'new':>6}  crash"]
    lines += [
        f"{o.target:18}{o.inputs:10}{o.seconds:9.1f}{o.coverage:7}{o.new:6}  {o.crash}"
        for o in outcomes
    ]
    seconds, inputs = sum(o.seconds for o in outcomes), sum(o.inputs for o in outcomes)
    return "\n".join([*lines, f"{'all':18}{inputs:10}{seconds:9.1f}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="for all targets together")
    parser.add_argument("--runs", type=int, default=0, help="inputs that must have been tried")
    parser.add_argument("--only", action="append", default=[], help="this target; may be repeated")
    parser.add_argument("--json", type=Path, default=ROOT / "artifacts/fuzz.json")
    given = parser.parse_args(arguments)
    if not is_playable():
        sys.stdout.write(f"not played: {NOT_PLAYED}\n")
        return 2
    targets = [each for name, each in all_targets().items() if name in (given.only or [name])]
    if not targets:
        parser.error(f"no such target; there are: {', '.join(all_targets())}")
    work = ROOT / "artifacts/fuzz-corpus"  # grows from run to run
    outcomes = fuzz(targets, given.seconds, work, HERE / "cases")
    sys.stdout.write(make_table(outcomes) + "\n")
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1))
    broken = [each for each in outcomes if each.crash]
    for each in broken:
        sys.stdout.write(f"\n{each.target}: {each.crash}\n{each.says}\n")
    tried = sum(each.inputs for each in outcomes)
    if tried < given.runs:
        sys.stdout.write(f"\nonly {tried} of {given.runs} inputs were tried: give it more time\n")
    return 1 if broken or tried < given.runs else 0


def _number(pattern: str, text: str) -> int:
    """Return the last number that the pattern finds."""
    return int((re.findall(pattern, text) or ["0"])[-1])


def _essence(said: str) -> str:
    """Return the traceback or libFuzzer's reason in what a process wrote."""
    noise = ("#", "INFO:", "0x", "stat:", "WARNING: Failed to find")
    lines = [line for line in said.splitlines() if not line.startswith(noise)]
    return "\n".join(lines[-30:])[-3000:]


if __name__ == "__main__":
    sys.exit(main())
