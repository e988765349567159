"""Plays a notebook as a trainee's kernel runs it; prints what its checks said, as JSON.

    python -m vmlab_guest.play first-steps/01-who-am-i            what the trainee got, as it is
    python -m vmlab_guest.play first-steps/01-who-am-i solution   solution.ipynb beside it
    python -m vmlab_guest.play /some/where/solution.ipynb --in first-steps/01-who-am-i

For tests of courses, run as the trainee. The exit code is 0 when the notebook could be played,
whatever its checks said.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULT_MIME = "application/vnd.vmlab.result+json"
_PROVISIONER = "vmlab-forked"
_START_S = 120.0  # software emulation


@dataclass
class Played:
    """What came out of a notebook."""

    notebook: str
    cells: int = 0
    checks: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    output: str = ""


def read_code(path: Path) -> list[str]:
    """Return the code cells of a notebook.

    Raises:
        OSError, ValueError, KeyError: it cannot be read or is not a notebook.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return [source for source in sources if source.strip()]


def play(path: Path, folder: Path, deadline_s: float) -> Played:
    """Run all code cells in one kernel; a cell that fails is noted and the next one is run.

    Args:
        folder: the kernel's working directory.
        deadline_s: for each cell.

    Raises:
        OSError, ValueError, KeyError: the notebook cannot be read.
        RuntimeError: the kernel does not start.
    """
    from jupyter_client.manager import KernelManager  # noqa: PLC0415 - not in every Python
    from jupyter_client.provisioning.factory import KernelProvisionerFactory  # noqa: PLC0415

    factory = KernelProvisionerFactory.instance()
    if _PROVISIONER in factory.provisioners:  # as in jupyter_server_config.json of a machine
        factory.default_provisioner_name = _PROVISIONER
    played = Played(str(path))
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=_START_S)
        for code in read_code(path):
            _run_cell(client, code, deadline_s, played)
    finally:
        client.stop_channels()
        # Not `now`: results that are on their way to the hub arrive first.
        manager.shutdown_kernel(now=False)
    return played


def _run_cell(client: Any, code: str, deadline_s: float, played: Played) -> None:
    played.cells += 1
    request = client.execute(code)
    end = time.monotonic() + deadline_s
    while True:
        try:
            message = client.get_iopub_msg(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            played.errors.append(f"cell {played.cells}: longer than {deadline_s:g} s")
            return
        if message["parent_header"].get("msg_id") != request:
            continue
        content = message["content"]
        kind = message["msg_type"]
        if kind == "status" and content["execution_state"] == "idle":
            return
        if kind == "error":
            name, text = content["ename"], content["evalue"]
            played.errors.append(f"cell {played.cells}: {name}: {text}")
        elif kind == "stream":
            played.output += content["text"]
        elif kind == "display_data" and RESULT_MIME in content["data"]:
            played.checks.append(content["data"][RESULT_MIME])


def main(arguments: list[str] | None = None) -> int:
    """Play one notebook and print the result."""
    parser = argparse.ArgumentParser(prog="vmlab-play", description=__doc__.splitlines()[0])
    parser.add_argument("exercise", help="COURSE/EXERCISE below the home, or a notebook's path")
    parser.add_argument("notebook", nargs="?", default="exercise", help="exercise or solution")
    parser.add_argument("--in", dest="folder", help="COURSE/EXERCISE to be played in")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for each cell")
    options = parser.parse_args(arguments)
    if options.exercise.endswith(".ipynb"):
        path = Path(options.exercise).absolute()
    else:
        path = Path.home() / options.exercise / f"{options.notebook}.ipynb"
    folder = Path.home() / options.folder if options.folder else path.parent
    try:
        played = play(path, folder, options.deadline)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        sys.stderr.write(f"{path} cannot be played: {error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(played), ensure_ascii=False, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
