"""The single-user server: its environment and command line, and systemd's word on it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum

from vmlab_guest.files import ensure_file
from vmlab_guest.seed import Language, Server
from vmlab_guest.system import RUN, System

UNIT = "vmlab-server.service"
OVERRIDES = "opt/vmlab/share/jupyter/lab/settings/overrides.json"
PROGRAM = "/opt/vmlab/bin/jupyterhub-singleuser"
# Inside double quotes systemd unescapes these and takes all else as it stands: systemd 257,
# SHELL_NEED_ESCAPE in src/basic/env-file.c.
_ENV_ESCAPES = str.maketrans({char: f"\\{char}" for char in '\\"`$'})


class ServerState(StrEnum):
    """The single-user server as the host is told."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


def make_environment_file(env: Mapping[str, str]) -> str:
    """Return the text of a systemd EnvironmentFile that gives exactly these values.

    The values are those that `seed.parse_seed` lets through: no line breaks.
    """
    return "".join(f'{name}="{env[name].translate(_ENV_ESCAPES)}"\n' for name in sorted(env))


def make_command(args: Sequence[str]) -> str:
    """Return the shell line that becomes the server."""
    return f"exec {shlex.join([PROGRAM, *args])}\n"


def parse_state(properties: str) -> ServerState:
    """Return the state told by `systemctl show -p ActiveState,Job`."""
    table = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    active = table.get("ActiveState", "")
    if active == "active":
        return ServerState.RUNNING
    # A queued job: early in boot the server waits for the rest of the system.
    if active in {"activating", "reloading"} or table.get("Job", "0") not in {"", "0"}:
        return ServerState.STARTING
    return ServerState.FAILED if active == "failed" else ServerState.STOPPED


def read_state(system: System) -> ServerState:
    """Return what systemd says of the server.

    Raises:
        ApplyError: systemd does not answer.
    """
    return parse_state(system.run("systemctl", "show", "-p", "ActiveState,Job", UNIT, timeout_s=10))


def make_overrides(language: Language) -> str:
    """Return JupyterLab's site defaults; what a trainee chose stays chosen.

    Its language, and no question about news and updates, which a class has no use for.

    ref: JupyterLab, "Advanced Usage", overrides.json
    """
    locale = "fr_FR" if language is Language.FR else "en"
    defaults = {
        "@jupyterlab/translation-extension:plugin": {"locale": locale},
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        },
    }
    return json.dumps(defaults, indent=1) + "\n"


def launch(system: System, server: Server, language: Language) -> None:
    """Start the server with this environment; restart it when the environment is a new one.

    Raises:
        ApplyError: systemd refused.
    """
    run = system.root / RUN
    changed = ensure_file(run / "server.env", make_environment_file(server.env), 0o600)
    changed |= ensure_file(run / "server-command", make_command(server.args), 0o644)
    ensure_file(system.root / OVERRIDES, make_overrides(language), 0o644)  # read at each page load
    system.run("systemctl", "restart" if changed else "start", "--no-block", UNIT)
