"""Where the single-user server gets a kernel: from the kernel forker, or else a new process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from vmlab_guest.kernels import SOCKET, ask_for_kernel, make_request
from vmlab_guest.language import read_language
from vmlab_guest.system import RUN


class ForkedProvisioner(LocalProvisioner):
    """Kernels of this machine's Python are forked, where a kernel forker is; others are started."""

    forker = SOCKET
    run = Path(os.environ.get("VMLAB_ROOT") or "/") / RUN
    process: Any = None
    pid: Any = None
    pgid: Any = None
    cwd: Any = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch a kernel with a command; see `LocalProvisioner`."""
        folder = Path(kwargs.get("cwd") or ".").absolute()
        # What a cell runs with `!` speaks as a terminal does.
        env = {"LANGUAGE": read_language(self.run), **(kwargs.get("env") or os.environ)}
        kwargs["env"] = env
        request = make_request(cmd, env, str(folder))
        kernel = await asyncio.to_thread(ask_for_kernel, request, self.forker) if request else None
        if kernel is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.cwd = kernel, folder
        self.pid = self.pgid = kernel.pid
        return self.connection_info
