"""What providers tell of themselves and of their host: frozen facts, alike for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    level: Level
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Engine:
    """What runs guest code."""

    accelerator: str  # one word; empty where there is no choice
    words: str  # for people: "KVM" or why it is not
    versions: Mapping[str, str] = field(default_factory=dict)  # of its programs


@dataclass(frozen=True)
class Measured:
    """What one machine costs: measured, not computed."""

    pss_mib: float  # what an idle machine that has run its server does not share with others
    disk_mib: float  # root overlay, before anybody worked
    start_cpu_s: float  # processor time from power-on until its server had answered


@dataclass(frozen=True)
class Seats:
    """How many machines of a lab fit, those included that run already."""

    wanted: int
    running: int
    memory: int  # each filling its memory
    disk: int  # each taking all that its trainee may
    processor: int  # a rule of thumb
    idle: int | None = None  # in memory and on disk, as measured
    last_ready_s: float | None = None  # when all that are wanted start at once
    measured: Measured | None = None
    trainee_mib: int = 0  # of disk: what one trainee may take

    @property
    def fit(self) -> int:
        """What memory and disk hold. Processors only make it slow, so they do not count here."""
        return min(self.memory, self.disk)

    @property
    def limited_by(self) -> str:
        """What runs out first."""
        return "memory" if self.memory <= self.disk else "disk"

    def as_json(self) -> dict[str, object]:
        """Return everything, for `--json`."""
        return {**asdict(self), "fit": self.fit, "limited_by": self.limited_by}


@dataclass(frozen=True)
class Prepared:
    """What was made so that machines start fast."""

    words: str  # what it is and costs, for the operator
    facts: Mapping[str, object]  # the same for `--json`


@dataclass(frozen=True)
class PoolState:
    """How full the pool is."""

    wanted: int
    ready: int
    preparing: int


@dataclass(frozen=True)
class Traces:
    """Where a machine shows on the host, for measurements."""

    held: Path  # a file that the machine's first process has open as long as it lives
    files: tuple[Path, ...]  # all that the machine takes of the disk
    way: str  # how it was started; empty when nobody knows


@dataclass(frozen=True)
class LinkSpeed:
    """What passes between two ends, by TCP."""

    mbit_s: float
    round_trip_us: float  # median


@dataclass(frozen=True)
class NamesSpeed:
    """How names are answered while many ask at once."""

    clients: int
    answers_per_s: float
    median_ms: float
    max_ms: float


@dataclass(frozen=True)
class NetworkCost:
    """What the network of an event costs and gives, measured without machines."""

    trainees: int
    memory_mib: float  # of all its processes
    idle_cpu_ms_per_s: float
    join_ms: float  # until a machine has its port and its address, median
    names: NamesSpeed
    link: LinkSpeed  # between two processes, by the network's own bridge and rules
    loopback: LinkSpeed
