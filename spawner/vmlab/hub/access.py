"""Where a hub is, and the token that opens it: the command line's (cli.json), and the keeper's."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vmlab.errors import ConfigError, HostError
from vmlab.paths import Paths
from vmlab.system.background import is_hub
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

KEEPER_SERVICE: Final = "vmlab-keeper"
"""The hub's service by which it calls itself; its token lives in the hub's memory only."""

KEEPER_SCOPES: Final = (
    "list:users",
    "read:servers",
    "read:users:name",
    "start:servers",
    "delete:servers",
)


@dataclass(frozen=True)
class HubAccess:
    """Where a hub is and what opens it."""

    url: str  # with or without a slash at the end
    token: str = field(repr=False)

    @property
    def api_url(self) -> str:
        """Where the hub's API begins, without a slash at its end."""
        return f"{self.url.rstrip('/')}/hub/api"


NOWHERE: Final = HubAccess("", "")
"""For a process that is not a hub: every call fails."""


def find_access(paths: Paths, url: str = "", token_file: Path | None = None) -> HubAccess:
    """Return the access of the command line: what `vmlab up` wrote, or what the caller names.

    Raises:
        HostError: no hub was started here, or it has no address yet, or a file cannot be read.
        ConfigError: the URL is invalid.
    """
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError(f"--hub {url!r} is not a URL", hint="for instance http://127.0.0.1:8000/")
    is_named = bool(url and token_file)
    known = NOWHERE if is_named else read_cli_access(paths)
    if known == NOWHERE and not is_named:
        raise HostError(
            f"no hub was started here: {paths.state / 'cli.json'} does not exist",
            hint="start one with `vmlab up`, or give --hub and --token-file",
        )
    if not (url or known.url):
        raise HostError(
            f"the hub has not started yet: {paths.state / 'cli.json'} names no address",
            hint="`vmlab status` tells whether it is being started; `vmlab up` starts it",
        )
    token = _read_token(token_file) if token_file else known.token
    return HubAccess(url or known.url, token)


def read_cli_access(paths: Paths) -> HubAccess:
    """Return the command line's access to the hub of this state folder; NOWHERE without one.

    Raises:
        HostError: the file cannot be used.
    """
    path = paths.state / "cli.json"
    try:
        known = load_json(path.read_bytes())
        return HubAccess(str(known["url"]), str(known["token"]))
    except FileNotFoundError:
        return NOWHERE
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise HostError(
            f"{path} cannot be read: {e}", hint="remove the file and run `vmlab up` again"
        ) from e


def ensure_cli_access(paths: Paths) -> HubAccess:
    """Return the command line's access; made unless it is there, so that the token stays."""
    access = read_cli_access(paths)
    if not access.token:
        access = HubAccess(access.url, secrets.token_hex(24))
        _write_cli_access(paths, access)
    return access


def note_cli_url(paths: Paths, bind_url: str) -> None:
    """Tell the command line where the hub itself listens: no name, no certificate in between."""
    if is_hub():
        _write_cli_access(paths, HubAccess(f"{bind_url}/", ensure_cli_access(paths).token))


def _write_cli_access(paths: Paths, access: HubAccess) -> None:
    known = {"url": access.url, "token": access.token}
    write_atomic(paths.state / "cli.json", json.dumps(known).encode())


def _read_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise HostError(f"the token file {path} cannot be read: {e}") from e
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"{path} holds no token", hint="it must hold the token and nothing else")
    return token
