"""The runner: every target in a process of its own, for its share of the time.

    python -m fuzz.run --seconds 3600 --runs 1000000

Crashes, hangs and inputs that take too much memory are kept in cases/ and make the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from fuzz.target import HERE, Target, all_targets

ROOT = HERE.parents[1]
MEMORY_MIB = 1024
HANG_S = 20
"""For one input; a usual one takes a thousandth of a second or less."""

NOT_PLAYED = "atheris, which finds the inputs, has no wheel for this Python or processor"

_START_S = 1.5
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


def fuzz_one(
    target: Target, seconds: float, work: Path, keep: Path, *, hang_s: int = HANG_S
) -> Outcome:
    """Fuzz one target; crashes are kept in a folder of its name below `keep`."""
    grown = work / target.name
    grown.mkdir(parents=True, exist_ok=True)
    found = keep / target.name
    before = set(found.iterdir()) if found.is_dir() else set()
    found.mkdir(parents=True, exist_ok=True)
    paths = [HERE.parent, ROOT / "images/guest/src", ROOT / "images/narval/src"]
    words = [
        *(sys.executable, "-m", "fuzz.child", target.module, target.name, *_LIMITS),
        *(f"-timeout={hang_s}", f"-max_total_time={max(1, round(seconds - _START_S))}"),
        *(f"-max_len={target.most_bytes}", f"-artifact_prefix={found}/"),
        *(str(folder) for folder in (grown, target.folder("corpus"), found) if folder.is_dir()),
    ]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "TMPDIR": scratch}
        began = time.monotonic()
        try:
            done = subprocess.run(
                words,
                env={**os.environ, **environment},
                cwd=scratch,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds + _END_S,
                check=False,
            )
            code, said = done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as error:
            code, said = -1, (error.stdout or b"").decode(errors="replace")
        took_s = time.monotonic() - began
    crashes = sorted(set(found.iterdir()) - before)
    if not any(found.iterdir()):
        found.rmdir()
    outcome = Outcome(
        target.name, _number(r"stat::number_of_executed_units: *(\d+)", said), round(took_s, 1),
        _number(r"cov: (\d+)", said), _number(r"stat::new_units_added: *(\d+)", said),
    )  # fmt: skip
    if code == 0 and not crashes:
        return outcome
    where = str(crashes[0]) if crashes else f"no file; the process ended with {code}"
    return Outcome(**{**asdict(outcome), "crash": where, "says": _essence(said)})


def fuzz(targets: Sequence[Target], seconds: float, work: Path, keep: Path) -> list[Outcome]:
    """Fuzz all targets, as many at once as there are processors; the time is shared alike."""
    jobs = min(len(targets), os.cpu_count() or 1)
    share_s = seconds * jobs / len(targets)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda each: fuzz_one(each, share_s, work, keep), targets))


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
