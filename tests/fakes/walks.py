"""Which modules a start goes through, and how often it comes back to one that it had left."""

from __future__ import annotations

import asyncio
import dis
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import attrgetter
from types import CodeType, FrameType

_RESUME = dis.opmap["RESUME"]
_WHERE = 3
"""The bits of RESUME's argument that say where: 0 at a function's start, else after a wait."""


@dataclass(frozen=True)
class Walk:
    """The modules in the order in which their functions were called, each run of them once."""

    modules: tuple[str, ...]

    @property
    def returns(self) -> int:
        """How often it goes into a module that it had left."""
        return len(self.modules) - len(set(self.modules))

    def __str__(self) -> str:
        size = f"{len(set(self.modules))} modules, {self.returns} returns"
        return f"{size}\n    {' > '.join(self.modules)}"


@dataclass
class Recording:
    """The calls of a package's functions."""

    package: str
    calls: list[tuple[object, str]] = field(default_factory=list)  # who: a task; what: a module

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call, as a function for `sys.setprofile`."""
        module = str(frame.f_globals.get("__name__"))
        if event != "call" or not module.startswith(f"{self.package}."):
            return
        at = frame.f_lasti
        code = frame.f_code.co_code
        begins = at < 0 or code[at] != _RESUME or code[at + 1] & _WHERE == 0
        if begins and _is_a_step(module, frame.f_code):
            self.calls.append((_task(), module.removeprefix(f"{self.package}.")))

    def walk(self) -> Walk:
        """Return the calls as a walk.

        What a task does beside another one stands where it began, however the two took turns; a
        loop between two modules is one walk through them.
        """
        began: dict[object, int] = {}
        for index, (who, _) in enumerate(self.calls):
            began.setdefault(who, index)
        first = self.calls[0][0] if self.calls else None
        order = sorted(
            range(len(self.calls)),
            key=lambda i: i if self.calls[i][0] in {first, None} else began[self.calls[i][0]],
        )
        found: list[str] = []
        for module, _ in groupby(self.calls[i][1] for i in order):
            found.append(module)
            if found[-2:] == found[-4:-2]:
                del found[-2:]
        return Walk(tuple(found))


@contextmanager
def recorded(package: str) -> Generator[Recording]:
    """Record what is called within the block by the running loop, and in threads for it."""
    recording = Recording(package)
    # Threads that run already cannot be listened to (before Python 3.12).
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
    before = sys.getprofile(), threading.getprofile()
    threading.setprofile(recording.note)
    sys.setprofile(recording.note)
    try:
        yield recording
    finally:
        sys.setprofile(before[0])
        threading.setprofile(before[1])


def _task() -> object:
    """Return who calls; None: a thread, for which its task waits."""
    with suppress(RuntimeError):
        return asyncio.current_task()
    return None


@cache
def _is_a_step(module: str, code: CodeType) -> bool:
    """Tell whether a function does something; dataclasses' own, and properties, only hold facts."""
    if code.co_filename.startswith("<"):
        return False
    with suppress(AttributeError):
        return not isinstance(attrgetter(code.co_qualname)(sys.modules[module]), property)
    return True
