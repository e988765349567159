"""What a build says while it runs; the command line draws it, tests count it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BuildPhase(StrEnum):
    """The phases of a build, in order."""

    WAIT = "wait"  # another build holds the lock
    WHEELS = "wheels"
    BOOTSTRAP = "bootstrap"
    FINISH = "finish"  # user, Python, units, initrd: inside the tree
    CHECKS = "checks"
    DISK = "disk"
    PUBLISH = "publish"


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is."""

    phase: BuildPhase
    fraction: float  # of the whole build, 0 to 1
    message: str


Report = Callable[[BuildProgress], None]

# Shares of the time of a build with nothing cached, measured (images/README.md).
_BEGIN = {
    BuildPhase.WAIT: 0.0,
    BuildPhase.WHEELS: 0.0,
    BuildPhase.BOOTSTRAP: 0.10,
    BuildPhase.FINISH: 0.50,
    BuildPhase.CHECKS: 0.85,
    BuildPhase.DISK: 0.90,
    BuildPhase.PUBLISH: 0.99,
}
_PHASES = tuple(BuildPhase)


def progress_at(phase: BuildPhase, part: float, message: str) -> BuildProgress:
    """Return the progress when `part` (0 to 1) of a phase is done."""
    begin = _BEGIN[phase]
    after = [_BEGIN[p] for p in _PHASES[_PHASES.index(phase) + 1 :]]
    end = after[0] if after else 1.0
    return BuildProgress(phase, begin + (end - begin) * min(max(part, 0.0), 1.0), message)


class BootstrapCounter:
    """Tells how far apt is from the lines that it prints."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0

    def feed(self, line: str) -> float:
        """Take a line of mmdebstrap's output and return the part that is done, 0 to 1."""
        words = line.split()
        if "newly installed" in line:
            number = (
                line.split("newly installed", maxsplit=1)[0].rsplit(",", maxsplit=1)[-1].strip()
            )
            self.total += 2 * int(number) if number.isdigit() else 0
        elif words[:1] == ["Unpacking"] or words[:2] == ["Setting", "up"]:
            self.done += 1
        return self.done / self.total if self.total else 0.0
