"""cli.json: the command line's access to the hub, with a token that stays the same."""

from __future__ import annotations

import json
import secrets

from vmlab.errors import HostError
from vmlab.paths import Paths
from vmlab.system.background import is_hub
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json


def read_cli_access(paths: Paths) -> dict[str, str]:
    """Return url and token of the command line's access to the hub; empty when there is none."""
    try:
        access = load_json((paths.state / "cli.json").read_bytes())
        return {"url": str(access["url"]), "token": str(access["token"])}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise HostError(
            f"{paths.state / 'cli.json'} cannot be read: {e}",
            hint="remove the file and run `vmlab up` again",
        ) from e


def ensure_cli_access(paths: Paths) -> None:
    """Write cli.json unless it is there, so that the token stays the same."""
    if not read_cli_access(paths):
        _write_cli_access(paths, "", secrets.token_hex(24))


def note_cli_url(paths: Paths, bind_url: str) -> None:
    """Tell the command line where the hub itself listens: no name, no certificate in between."""
    if is_hub():
        _write_cli_access(paths, f"{bind_url}/", read_cli_access(paths)["token"])


def _write_cli_access(paths: Paths, url: str, token: str) -> None:
    write_atomic(paths.state / "cli.json", json.dumps({"url": url, "token": token}).encode())
