"""The single-user server: what the zygote is told to run, and its state."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from vmlab_guest.errors import AgentError
from vmlab_guest.files import ensure_file
from vmlab_guest.server_request import EVERYWHERE, REQUEST, STATE, Word, dump_request
from vmlab_guest.shares.home import JUPYTER_DATA, JUPYTER_SETTINGS, local_path
from vmlab_guest.system import System, inside
from vmlab_protocol.seed import Seed, Server

UNIT = "vmlab-server.service"

_SETTINGS = local_path(JUPYTER_SETTINGS)
# Where the home is on the file server: what the server's main loop does needs no file of it.
_SERVED_HOME_ENV = {"JUPYTER_CONFIG_DIR": _SETTINGS, "JUPYTER_DATA_DIR": local_path(JUPYTER_DATA)}
_SERVED_HOME_ARGS = (
    "--ServerApp.contents_manager_class=vmlab_guest.served_files.ServedFiles",
    "--ServerApp.kernel_spec_manager_class=vmlab_guest.served_files.LocalSpecs",
    # Chosen when JupyterLab was imported, which was long ago.
    f"--LabApp.user_settings_dir={_SETTINGS}/lab/user-settings",
    f"--LabApp.workspaces_dir={_SETTINGS}/lab/workspaces",
)


class ServerState(StrEnum):
    """The single-user server as the host is told."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


def parse_state(properties: str) -> ServerState:
    """Return the state told by `systemctl show -p ActiveState,Job`, for a zygote that is silent."""
    table = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    active = table.get("ActiveState", "")
    # A queued job: early in boot the service waits for the rest of the system.
    busy = active in {"active", "activating", "reloading"}
    if busy or table.get("Job", "0") not in {"", "0"}:
        return ServerState.STARTING
    return ServerState.FAILED if active == "failed" else ServerState.STOPPED


def read_state(system: System) -> ServerState:
    """Return what the zygote says of the server; if there is none, what systemd says.

    Raises:
        ApplyError: neither answers.
    """
    try:
        return ServerState(inside(system, str(STATE)).read_text(encoding="ascii"))
    except (OSError, ValueError):
        command = ("systemctl", "show", "-p", "ActiveState,Job", UNIT)
        return parse_state(system.run(*command, timeout_s=10))


def own_server(seed: Seed) -> Server | None:
    """Return the server as it is run in this machine: unseen by the others of its event.

    None: it has none.

    One that would listen on all addresses listens on that of the first card only, where nobody is
    but the hub. One whose home is on the file server does not wait for files (`served_files`).
    """
    server, name = seed.server, "JUPYTERHUB_SERVICE_URL"
    if server and seed.share and seed.share.is_home:
        env, args = server.env | _SERVED_HOME_ENV, (*server.args, *_SERVED_HOME_ARGS)
        server = replace(server, env=env, args=args)
    if seed.event is None or server is None or name not in server.env:
        return server
    env = server.env
    url = env[name].replace(f"//{EVERYWHERE}:", f"//{seed.network.address.ip}:", 1)
    return replace(server, env={**env, name: url})


def launch(system: System, server: Server) -> None:
    """Have the zygote run this server; one that runs already, and is the same, goes on.

    Raises:
        ApplyError: there is no zygote and systemd does not start one.
    """
    ensure_file(inside(system, str(REQUEST)), dump_request(server.env, server.args), 0o600)
    try:
        system.ask_zygote(Word.LAUNCH)
    except AgentError:
        # Stopped by the trainee, or systemd is restarting it: it finds the request.
        system.run("systemctl", "start", "--no-block", UNIT)
