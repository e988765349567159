"""A server that is ready except for its identity, prepared before a machine is parked.

Even with every module imported, a server needs seconds under software emulation to configure
itself. So one does that in advance: the real application, initialized with placeholders for
everything that the hub will say, halted before it begins to serve. Its identity is inserted later,
in the places of the placeholders (`placeholders`), and in front of its routes. What it drew at
random is redrawn.

It is used only for a server that differs by nothing else; for any other request the zygote
forks an ordinary server (`can_become`).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
import socket
import stat
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from types import FrameType
from typing import Any

from vmlab_guest.placeholders import Place, PlaceholderError, find_places
from vmlab_guest.server_request import EVERYWHERE
from vmlab_guest.trainee import (
    PROGRAM,
    become_trainee,
    make_arguments,
    make_environment,
    needs_fresh_python,
)
from vmlab_guest.trouble import list_settings
from vmlab_protocol.machine import HOME, SERVER_PORT

_MARK = "vmlab-placeholder"
_PREFIX = f"/user/{_MARK}/"
# A placeholder for each word of the hub that a server reads while it is being initialized.
_PLACEHOLDERS = {
    "JUPYTERHUB_API_TOKEN": f"{_MARK}-token",
    "JUPYTERHUB_API_URL": f"http://{_MARK}-api/hub/api",
    "JUPYTERHUB_ACTIVITY_URL": f"http://{_MARK}-activity/hub/api",
    "JUPYTERHUB_CLIENT_ID": f"{_MARK}-client",
    "JUPYTERHUB_HOST": f"{_MARK}-host",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES": f'["{_MARK}-access"]',
    "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{_PREFIX}{_MARK}-callback",
    "JUPYTERHUB_SERVICE_PREFIX": _PREFIX,
    "JUPYTERHUB_SERVER_NAME": f"{_MARK}-server",
    "JUPYTERHUB_USER": f"{_MARK}-user",
}
_SAME = {"JUPYTERHUB_BASE_URL": "/"}
# Read only when needed; by then the right value is there.
# ref: jupyterhub 6.1, services/auth.py and singleuser/extension.py
_READ_LATER = frozenset(
    {
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED",
        "JUPYTERHUB_COOKIE_OPTIONS",
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",
        "JUPYTERHUB_OAUTH_SCOPES",
        "JUPYTERHUB_PUBLIC_HUB_URL",
        "JUPYTERHUB_PUBLIC_URL",
        "JUPYTERHUB_SERVICE_URL",
    }
)
_MESSAGE_BYTES = 256 * 1024

Home = dict[Path, int | None]


def can_become(env: Mapping[str, str], args: Sequence[str], home: Path = Path(HOME)) -> bool:
    """Return whether the requested server differs from the standby server by its identity only."""
    known = {*_PLACEHOLDERS, *_SAME, *_READ_LATER}
    unknown = (n for n in env if n.startswith("JUPYTER") and n not in known and env[n])
    try:
        service = urllib.parse.urlsplit(env.get("JUPYTERHUB_SERVICE_URL", ""))
    except ValueError:  # no address: a server of its own says so
        return False
    return (
        not needs_fresh_python(env)
        and not any(unknown)
        and all(env.get(name) == value for name, value in _SAME.items())
        and all(name in env for name in _PLACEHOLDERS)
        and (service.scheme, service.port) == ("http", SERVER_PORT)
        and _is_address(service.hostname)
        and make_arguments(env, args) == make_arguments(env, ())
        and "HOME" not in env
        and not list_settings(home)
    )


def _is_address(host: str | None) -> bool:
    try:
        IPv4Address(host or "")
    except ValueError:
        return False
    return True


def run(channel: socket.socket) -> int:
    """Be the standby server, and once called, the server until it ends; return its exit code.

    Says `ready`, or why it cannot be one, on the channel; then waits there for its call.
    """
    become_trainee()
    env = make_environment(
        {
            **_PLACEHOLDERS,
            **_SAME,
            # The machine's address is not there yet.
            "JUPYTERHUB_SERVICE_URL": f"http://{EVERYWHERE}:{SERVER_PORT}{_PREFIX}",
        }
    )
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [PROGRAM, *make_arguments(env, ())]
    _hold_back(channel, _list_home())
    from jupyterhub.singleuser.extension import main  # noqa: PLC0415 - only in a machine

    main()
    return 0


def _hold_back(channel: socket.socket, home: Home) -> None:
    """Have the application wait for its call before it serves, and ask no hub until then."""
    from jupyter_server import serverapp  # noqa: PLC0415
    from jupyterhub.singleuser import extension  # noqa: PLC0415

    server: Any = serverapp.ServerApp
    hub: Any = extension.JupyterHubSingleUser
    begin, tell_activity = server.start_app, hub.keep_activity_updated

    async def say_nothing(_: Any) -> None:
        """There is no hub yet."""

    def wait_and_begin(app: Any) -> None:
        server.start_app, hub.keep_activity_updated = begin, tell_activity
        _await_call(app, channel, home)
        begin(app)

    server.start_app = wait_and_begin
    hub.check_hub_version = hub.keep_activity_updated = say_nothing


def _list_home() -> Home:
    """Return what is in the home: folders with their modes, files without."""
    home = Path(HOME)
    paths = sorted(home.rglob("*")) if home.is_dir() else []
    return {p: stat.S_IMODE(p.stat().st_mode) if p.is_dir() else None for p in paths}


def _await_call(app: Any, channel: socket.socket, home: Home) -> None:
    """Wait for the request and become what it says."""
    Path(app.cookie_secret_file).unlink(missing_ok=True)
    # The volume will be mounted over them, and nobody would make them again.
    made = {path: mode for path, mode in _list_home().items() if path not in home}
    try:
        if files := [path for path, mode in made.items() if mode is None]:
            raise PlaceholderError(f"files in the home: {files}")
        places = _find_places()
    except PlaceholderError as error:
        channel.send(str(error).encode()[:1000])
        sys.exit(1)
    gc.collect()
    gc.freeze()
    channel.send(b"ready")
    call = channel.recv(_MESSAGE_BYTES)
    if not call:
        sys.exit(0)  # the zygote has no use for it
    channel.close()
    os.chdir(HOME)  # the volume was mounted over the folder of before
    for path, mode in made.items():
        path.mkdir(mode=mode or 0o700, exist_ok=True)
    _become(app, places, json.loads(call))


def _find_places() -> list[Place]:
    # Caches of what was only looked at in passing; the next look fills them again.
    re.purge()
    urllib.parse.clear_cache()  # type: ignore[attr-defined]  # typeshed lacks it
    stay = {id(_PLACEHOLDERS), id(globals()), id(os.environ._data)}  # type: ignore[attr-defined]

    def may_stay(holder: Any) -> bool:
        # Patterns of routes: see `_put_in_front`.
        return id(holder) in stay or isinstance(holder, re.Pattern | FrameType)

    return find_places(_MARK, may_stay)


def _become(app: Any, places: Sequence[Place], env: Mapping[str, str]) -> None:
    """Put in the identity."""
    words = sorted(_PLACEHOLDERS.items(), key=lambda item: -len(item[1]))
    changes = [(old, env[name]) for name, old in words]

    def change(text: str) -> str:
        for old, new in changes:
            text = text.replace(old, new)
        return text

    for place in places:
        place.replace(change)
    os.environ.clear()
    os.environ.update(env)
    random.seed()
    del app._trait_values["cookie_secret"]  # its file is gone: it is made again
    app.web_app.settings.update(cookie_secret=app.cookie_secret, started=datetime.now(UTC))
    _put_in_front(app.web_app, env["JUPYTERHUB_SERVICE_PREFIX"])
    address = urllib.parse.urlsplit(env["JUPYTERHUB_SERVICE_URL"]).hostname
    if address != EVERYWHERE:
        listen_at(app, address)
    extension = app.starter_app  # JupyterHub's

    def tell_activity() -> None:
        extension._activity_task = asyncio.ensure_future(extension.keep_activity_updated())

    app.io_loop.add_callback(tell_activity)


def listen_at(app: Any, address: str | None) -> None:
    """Have the server let go of the addresses on which it listens, for this one."""
    app.ip = address
    app.http_server.stop()
    app.http_server.listen(app.port, address)


def _put_in_front(web_app: Any, prefix: str) -> None:
    """Find handlers by the patterns that were made for the placeholder.

    Recompiling eighty patterns takes half a second under emulation.
    """
    find = web_app.find_handler

    def find_handler(request: Any, **options: Any) -> Any:
        path = request.path
        if path.startswith(prefix):
            request.path = _PREFIX + path.removeprefix(prefix)
        elif _MARK in path:
            request.path = "/"  # nobody's: as any path outside the prefix
        try:
            return find(request, **options)
        finally:
            request.path = path

    web_app.find_handler = find_handler
