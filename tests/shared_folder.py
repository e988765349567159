"""A folder that all workers of one run share: what is made in it once serves every one of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmlab.system.locks import wait_for_flock

_KEY = "shared_folder"


class SharedFolder:
    """A plugin of pytest: makes the folder before the workers begin, removes it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._worker_input = getattr(config, "workerinput", None)
        if self._worker_input is None:
            # Not below pytest's own: QEMU runs as another user, who cannot pass through those.
            self.path = Path(tempfile.mkdtemp(prefix="vmlab-shared-"))
            self.path.chmod(0o711)
        else:
            self.path = Path(self._worker_input[_KEY])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where it is."""
        node.workerinput[_KEY] = str(self.path)

    def make_once(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the folder of this name in it; who asks first makes it, others wait for that."""
        folder = self.path / name
        lock = self.path / f"{name}.lock"
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            wait_for_flock(descriptor)
            if not folder.exists():
                try:
                    make(folder)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
        finally:
            os.close(descriptor)
        return folder

    def pytest_unconfigure(self) -> None:
        if self._worker_input is None:
            shutil.rmtree(self.path)
