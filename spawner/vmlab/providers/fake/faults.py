"""What is to go wrong with machines that do not exist, and a journal of their starts."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vmlab.lab.provider_options import ProviderOptions
from vmlab_protocol.phases import Phase

START_PHASES = (
    Phase.IMAGE,
    Phase.DISK,
    Phase.VOLUME,
    Phase.POWER,
    Phase.BOOT,
    Phase.IDENTITY,
    Phase.KEYS,
    Phase.NETWORK,
    Phase.MOUNTS,
    Phase.EXERCISES,
    Phase.SERVER,
)


class FakeOptions(ProviderOptions):
    """None: what goes wrong, and when, is said in `fake.json`."""

    provider: ClassVar[str] = "vmlab.providers.fake:FakeProvider"


@dataclass(frozen=True)
class Faults:
    """What is to go wrong."""

    delays_s: Mapping[str, float] = field(default_factory=dict)  # of phases, and of "stop"
    fail_at: str = ""
    fail_message: str = "a fault was asked for"
    hang_at: str = ""
    hang_limit_s: float = 3600.0
    journal: bool = False
    idle_s: Mapping[str, float] = field(default_factory=dict)  # by owner; else since the start
    way: str = ""  # how machines are started, told when they are powered on
    volumes: bool = False  # make the volumes' files, too, which costs 0.1 s of a first start
    # By owner, what is wrong with the server (`ServerTrouble`): until it is plain, it is silent.
    trouble: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)  # by owner: `EndCause` of a running one


def read_faults(state: Path) -> Faults:
    """Return the faults that the state folder asks for now."""
    try:
        return Faults(**json.loads((state / "fake.json").read_text()))
    except FileNotFoundError:
        return Faults()


class Journal:
    """Notes begin and end of each start, where a test asks for it.

    Args:
        state: folder of `fake-journal.jsonl`.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "fake-journal.jsonl"
        self._at_work = 0

    @asynccontextmanager
    async def of_start(self, machine: str, faults: Faults) -> AsyncGenerator[None]:
        """Note that a start of this machine begins, and that it ends, however it does."""

        def note(kind: str) -> None:
            if faults.journal:
                with self._path.open("a") as file:
                    line = {"machine": machine, "event": kind, "at_work": self._at_work}
                    file.write(json.dumps(line) + "\n")

        self._at_work += 1
        note("begin")
        try:
            yield
        finally:
            self._at_work -= 1
            note("end")
