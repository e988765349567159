"""One hub per state folder: a lock file that also tells who holds it.

The lock is the kernel's, on an open file that `vmlab up` and the hub process share: it lives
exactly as long as one of the two does, however they end, so the pids in the file are right
whenever the lock is held.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vmlab.errors import HostError
from vmlab.model import Allowance
from vmlab.paths import Paths
from vmlab.system.locks import try_flock
from vmlab.system.outside import as_facts
from vmlab_protocol.outside import load_json

_ASK_AGAIN_S = 0.05
_ASK_FOR_S = 0.5


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, or held it last."""

    pid: int  # of `vmlab up`
    hub_pid: int  # of JupyterHub; 0 until it was started
    url: str
    lab: str  # path of lab.toml
    provider: str
    started: float  # seconds since the epoch
    options: Mapping[str, Any] = field(default_factory=dict)  # the provider's
    volume_mib: int = Allowance.volume_mib
    total_mib: int = Allowance.total_mib
    nodes: int = Allowance.nodes
    node_volumes_mib: int = Allowance.node_volumes_mib


def lock_path(paths: Paths) -> Path:
    """Return the lock file."""
    return paths.state / "hub.lock"


def last_holder(paths: Paths) -> Holder | None:
    """Return what the last hub wrote, whether or not it still runs."""
    try:
        return _parse(load_json(lock_path(paths).read_bytes()))
    except (OSError, ValueError):
        return None  # never held, or cut short between locking and writing


def _parse(data: Any) -> Holder:
    """Return who holds the lock; raises ValueError."""
    if isinstance(data, dict) and "accelerator" in data:  # of a VMLab with one option only
        data = {"options": {"accelerator": data["accelerator"]}, **data}
        del data["accelerator"]
    holder = as_facts(Holder, data)
    if not isinstance(holder.options, dict):
        raise ValueError(f"options is a {type(holder.options).__name__}")
    return holder


def running_holder(paths: Paths) -> Holder | None:
    """Return who runs the hub of this state folder now, or None.

    Raises:
        HostError: a hub runs, but the file does not tell which.
    """
    try:
        descriptor = os.open(lock_path(paths), os.O_RDWR)
    except FileNotFoundError:
        return None
    except PermissionError as e:
        raise HostError(
            f"{lock_path(paths)} belongs to another user",
            hint="run this command as the user who ran `vmlab up`",
        ) from e
    try:
        if try_flock(descriptor, shared=True):
            return None
        holder = last_holder(paths)
        if holder is None:
            raise HostError(
                f"{lock_path(paths)} is locked, but names no pid",
                hint=f"find the process with: fuser {lock_path(paths)}",
            )
        return holder
    finally:
        os.close(descriptor)


class HubLock:
    """The lock, held. A context manager; `descriptor` is to be passed to the hub process."""

    def __init__(self, paths: Paths) -> None:
        """Take the lock.

        Raises:
            HostError: another hub holds it; names its pid and the state folder.
        """
        self._path = lock_path(paths)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise HostError(
                f"{self._path} cannot be opened: {e.strerror}",
                hint="check who owns the folder, or set VMLAB_STATE to another one",
            ) from e
        deadline = time.monotonic() + _ASK_FOR_S
        while not try_flock(self.descriptor):
            # `running_holder` of another process holds it for an instant.
            if time.monotonic() > deadline:
                os.close(self.descriptor)
                raise _already_running(paths)
            time.sleep(_ASK_AGAIN_S)

    def write(self, holder: Holder) -> None:
        """Tell others who holds the lock."""
        # In place: a renamed file would be another file, without the lock.
        data = json.dumps(asdict(holder)).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, data, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)


def _already_running(paths: Paths) -> HostError:
    holder = last_holder(paths)
    who = f"pid {holder.hub_pid or holder.pid}, {holder.url}" if holder else "pid unknown"
    return HostError(
        f"a hub already runs on the state folder {paths.state} ({who})",
        hint="`vmlab down` stops it; for a second hub set VMLAB_STATE to another folder and "
        "[hub] port to another number",
    )
