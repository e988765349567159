"""Where a run takes place: a hub, its folder on a small disk, and what happened there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

from chaos.plan import Deed, Step
from hub.running_hub import RunningHub

T = TypeVar("T")

DISK_MIB = 4096
MISSED = "missed: "
"""How the outcome of a fault begins that hit nothing: it was not survived, it was not there."""

LOOK_S = 0.25

# As jupyterhub_config.py does: machines that a full disk has paused go on by this.
_KEEP_VOLUMES = """
from vmlab.upkeep.volumes import keep_volumes
keep_volumes(load_lab(folder / "lab.toml"), Paths(folder, Path({cache!r})))
"""


@dataclass(frozen=True)
class Event:
    """Something that was done."""

    at_s: float
    who: str
    deed: str
    outcome: str  # "done", or why not
    took_s: float


@dataclass
class Ground:
    """A running lab, and the log of the run."""

    hub: RunningHub
    cache: Path
    records: Path  # outside of the lab's disk
    began: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, event: Event) -> None:
        """Write down what was done."""
        with self._lock:
            self.events.append(event)
            _tell(
                f"{event.at_s:6.1f} s  {event.who:8} {event.deed:28} "
                f"{event.took_s:6.1f} s  {event.outcome}"
            )

    def do(self, who: str, step: Step, deeds: Mapping[Deed, Callable[[Step], str]]) -> None:
        """Do one step, and note how it went."""
        began = time.monotonic()
        outcome = deeds[step.deed](step)
        now = time.monotonic()
        self.note(Event(now - self.began, who, step.deed, outcome, now - began))

    def blame(self, problem: str) -> None:
        """Write down what must not be."""
        with self._lock:
            self.problems.append(problem)
            _tell(f"PROBLEM  {problem}")

    def api(self, method: str, path: str, **more: Any) -> requests.Response | None:
        """Call the hub; None while it cannot be reached, which a user waits out."""
        try:
            return self.hub.api(method, path, **more)
        except requests.RequestException:
            return None

    def vmlab(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run the command line for this lab; what went wrong must be told in words."""
        done = subprocess.run(
            vmlab_command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if "Traceback" in done.stderr:
            self.blame(f"vmlab {' '.join(map(str, words))}:\n{done.stderr[-2000:]}")
        return done

    @property
    def environment(self) -> dict[str, str]:
        """Of the command line."""
        return {
            **os.environ,
            "VMLAB_STATE": str(self.hub.folder),
            "VMLAB_CACHE": str(self.cache),
            "VMLAB_LAB": str(self.hub.folder / "lab.toml"),
            "COLUMNS": "200",
        }


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def vmlab_command(*words: object) -> list[str]:
    """Return the command line that belongs to this Python."""
    return [str(Path(sys.executable).with_name("vmlab")), *(str(word) for word in words)]


def wait(question: Callable[[], T], limit_s: float) -> T | None:
    """Return the first answer that is true, or None when the time is up."""
    deadline = time.monotonic() + limit_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            return None
        time.sleep(LOOK_S)
    return answer


@contextmanager
def open_ground(trainees: tuple[str, ...], cache: Path) -> Iterator[Ground]:
    """Start a lab on a disk of its own; give up the disk afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    records = Path(tempfile.mkdtemp(prefix="chaos-"))
    options = f"size={DISK_MIB}M,mode=711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        hub = RunningHub(
            folder,
            trainees=trainees,
            provider="qemu",
            cache=cache,
            lab_lines='[volume]\nsize = "128M"\n',
            extra_config=_KEEP_VOLUMES.format(cache=str(cache)),
        )
        with hub:
            yield Ground(hub, cache, records)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)
        folder.rmdir()
